"""A sequence explained by a trained model: prediction, attribution, patches, attention.

stretch of letters -> what the model says of it -> an ``Explanation``, to be drawn or written

Works with every head: what a classifier predicts and why, the class of every base, or how well a
language model knows each base.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hyena_glt.biology.alphabet import RNA
from hyena_glt.biology.intervals import Feature
from hyena_glt.data.annotation import OTHER
from hyena_glt.data.collators import MASK_TOKEN_ID
from hyena_glt.data.genome import UNKNOWN
from hyena_glt.data.windows import TOKEN_OF_BASE
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.inference.annotator import GenomeAnnotator
from hyena_glt.inference.loading import load_pair
from hyena_glt.inference.predictor import Predictor
from hyena_glt.interpretability.attention_focus import annotated_bases, enrichment_by_kind
from hyena_glt.interpretability.attention_profile import attention_profiles
from hyena_glt.interpretability.attribution import Attribution, Method, attribute
from hyena_glt.interpretability.attribution_result import (
    Alphabet,
    alphabet_of,
    substitution_scores,
)
from hyena_glt.interpretability.compression import (
    SequencePatches,
    compute_compression_statistics,
)
from hyena_glt.interpretability.explanation import Column, Explanation
from hyena_glt.interpretability.objectives import ClassOfStretch, StretchLikelihood
from hyena_glt.interpretability.readable import duration, number
from hyena_glt.model import faces
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.model.multitask import HyenaGLTForMultiTask
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel

LONGEST = 50_000
"""Most letters on one page."""
LONGEST_MUTATED = 1_000
"""Most letters that are mutated unless more is asked for: the cost grows with the square."""

_KINDS: dict[str, type[HyenaGLTPreTrainedModel]] = {
    "HyenaGLTForSequenceClassification": faces.HyenaGLTForSequenceClassification,
    "HyenaGLTForTokenClassification": faces.HyenaGLTForTokenClassification,
    "HyenaGLTForCausalLM": faces.HyenaGLTForCausalLM,
    "HyenaGLTForMaskedLM": faces.HyenaGLTForMaskedLM,
    "HyenaGLTForMultiTask": HyenaGLTForMultiTask,
}
METHODS = {
    "mutagenesis": "in-silico mutagenesis: every letter replaced by every other one",
    "saliency": "saliency: greatest change by one letter, estimated from the gradient",
    "input_x_gradient": "input x gradient: mean loss over the other letters, by the gradient",
    "integrated_gradients": "integrated gradients against shuffled copies",
}
_MARGINALS = "masked marginals: each base hidden, and all letters compared in its place"
_TURNS = 8
_TRIAL = 8  # rows of the pass that the cost is estimated from
_SURE = ((0.9, "sure"), (0.7, "fairly sure"), (0.0, "unsure"))

# Number of the base of each token; whatever is none of A, C, G, T is unknown.
_CODE_OF_TOKEN = np.full(TOKEN_OF_BASE.max() + 1, UNKNOWN, dtype=np.uint8)
_CODE_OF_TOKEN[TOKEN_OF_BASE[:UNKNOWN]] = range(UNKNOWN)

Progress = Callable[[int, int], None]


class Stretch(NamedTuple):
    """Letters to explain, and where they are from.

    Attributes:
        name: Of the sequence or region.
        contig: Name of the contig.
        start: First letter on the contig, 0-based.
        sequence: The letters.
        left: Letters before it that the model reads as well.
        right: Letters behind it.
    """

    name: str
    contig: str
    start: int
    sequence: str
    left: str = ""
    right: str = ""


class Explainer:
    """Explain sequences by a trained model.

    Args:
        model: A face of the package with single-letter tokens.
        tokenizer: Its tokenizer, of one molecule.

    Raises:
        ConfigError: If the tokens are k-mers.
    """

    def __init__(self, model: HyenaGLTPreTrainedModel, tokenizer: Any) -> None:
        if model.config.kmer_size != 1:
            raise ConfigError(
                "single bases are explained of models with single-letter tokens; kmer_size is "
                f"{model.config.kmer_size}"
            )
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval()
        self.model.to(self.device)
        self.tokenizer = tokenizer
        names: Any = model.config.id2label
        self.labels: list[str] = [names[i] for i in range(len(names))] if names else []
        tasks = {
            faces.HyenaGLTForTokenClassification: "token_classification",
            faces.HyenaGLTForCausalLM: "causal_lm",
            faces.HyenaGLTForMaskedLM: "masked_lm",
        }
        self.task: str = tasks.get(type(model), "")
        self._predictor = None if self.task else Predictor(model, tokenizer)
        if self._predictor is not None:
            self.task = self._predictor.task

    @classmethod
    def from_pretrained(cls, folder: str | Path, task: str | None = None) -> "Explainer":
        """Load a model of any kind and its tokenizer.

        Args:
            folder: What ``hyena-glt train`` or ``pretrain`` wrote.
            task: Which one of a model of several tasks.

        Raises:
            DataError: If the folder holds no such model.
            ConfigError: If the model has no such task, or several and none is named.
        """
        model, tokenizer = load_pair(folder, _KINDS)
        if not isinstance(model, HyenaGLTForMultiTask):
            if task is not None:
                raise ConfigError(f"{folder}: the model has one task, which has no name")
            return cls(model, tokenizer)
        if task is None:
            raise ConfigError(
                f"{folder}: the model has several tasks; name one with --task: "
                f"{', '.join(model.tasks)}"
            )
        face = model.eval().for_task(task)
        own = tokenizer.of(model.tasks[task].molecule) if tokenizer.is_joint else tokenizer
        return cls(face, own)

    def explain(
        self,
        stretch: Stretch,
        *,
        output: str | None = None,
        method: str = "auto",
        limit: int = LONGEST_MUTATED,
        batch_size: int = 64,
        features: Sequence[Feature] = (),
        on_progress: Progress | None = None,
        on_cost: Callable[[str], None] | None = None,
    ) -> Explanation:
        """Explain one stretch.

        Args:
            stretch: The letters.
            output: Name of the class or output to explain; None takes the one predicted.
            method: One of ``METHODS``, ``none``, or ``auto``: mutagenesis up to the limit.
            limit: Most letters that are mutated.
            batch_size: Sequences per forward pass.
            features: Annotation, of any contig.
            on_progress: Called with forward passes done and their number.
            on_cost: Told what mutagenesis will cost, in words, before it begins.

        Raises:
            ConfigError: If there is no such output or method, or mutagenesis would take too long.
            DataError: If the stretch is empty, too long, or holds foreign letters.
        """
        self._check(stretch)
        sequence = stretch.sequence.upper()
        if self.tokenizer.alphabet is RNA:
            sequence = sequence.replace("T", "U")
        ids, left, right = (self._ids(text) for text in (sequence, stretch.left, stretch.right))
        whole = torch.cat([left, ids, right])
        alphabet = alphabet_of(ids[None], self.model.config)
        letters = "".join(
            self.tokenizer.convert_ids_to_tokens(range(alphabet.first, sum(alphabet)))
        )
        own = slice(len(left), len(left) + len(ids))
        found: dict[str, Any] = {"likelihood": (), "classes": (), "expected": None}
        remarks: list[str] = []
        with inference_mode_of(self.model), torch.no_grad():
            if self._predictor is not None:
                said = self._sequence(self._predictor, sequence, output)
            elif self.task == "token_classification":
                said = self._bases(whole, own, output, found)
            else:
                said = self._likelihood(whole, own, alphabet, letters, found)
        verdict, outputs, explained, number_of_output = said
        chosen = self._method(method, len(ids), limit, remarks)
        attribution = None
        how = ""
        if chosen == "marginals":
            attribution, how = _marginals(found["expected"], ids, alphabet), _MARGINALS
        elif chosen is not None:
            model = self._objective(left, right, number_of_output)
            column = number_of_output if self._predictor is not None else 0
            if chosen == "mutagenesis":
                self._estimate(model, ids, alphabet, limit, on_cost)
            attribution = self._attribute(
                model, ids, column, chosen, batch_size, alphabet, on_progress
            )
            how = METHODS[chosen]
        room = self.model.config.max_position_embeddings
        patches = _patches(self.model, ids, room)
        profile = attention_profiles(self.model, [ids])[0] if len(ids) <= room else None
        if profile is None:
            remarks.append(
                f"The model takes {room:,} letters at once: classes are those of overlapping "
                f"windows, patches those of every {room:,} letters, and attention is not shown."
            )
        inside = [
            one
            for one in features
            if one.contig == stretch.contig
            and one.start < stretch.start + len(ids)
            and one.end > stretch.start
        ]
        masks = {
            kind: [
                annotated_bases(
                    [one for one in inside if one.kind == kind],
                    stretch.contig, stretch.start, len(ids),
                )
            ]
            for kind in dict.fromkeys(one.kind for one in inside)
        }  # fmt: skip
        focus = {
            block: enrichment_by_kind([one.received], masks)
            for block, one in (profile.blocks if profile is not None else {}).items()
        }
        if self.model.config.reverse_complement == "average":
            remarks.append(
                "The model averages its predictions over both strands; patches and attention are "
                "those of the given strand."
            )
        if left.numel() or right.numel():
            remarks.append(
                f"The model also read {len(left):,} bases before and {len(right):,} behind; "
                "patches and attention are those of the stretch alone."
            )
        return Explanation(
            name=stretch.name, contig=stretch.contig, start=stretch.start, sequence=sequence,
            alphabet=letters, task=self.task, verdict=verdict, outputs=outputs, patches=patches,
            explained=explained if attribution is not None else "", method=how,
            attribution=attribution, attention=profile, features=inside, focus=focus,
            facts=self._facts(attribution), remarks=remarks, **found,
        )  # fmt: skip

    def _check(self, stretch: Stretch) -> None:
        size = len(stretch.sequence)
        if not size:
            raise DataError(f"{stretch.name}: the sequence is empty")
        if size > LONGEST:
            raise DataError(
                f"{stretch.name}: {size:,} letters are too many for one page, the most are "
                f"{LONGEST:,}; choose a region of it (--region)"
            )
        limit = self.model.config.max_position_embeddings
        whole = size + len(stretch.left) + len(stretch.right)
        # Classes of bases are put together from windows.
        if whole > limit and self.task != "token_classification":
            raise DataError(
                f"{stretch.name}: {whole:,} letters with those around; the model takes at most "
                f"{limit:,} (max_position_embeddings); choose a region of it (--region, --flank)"
            )

    def _ids(self, letters: str) -> Tensor:
        ids = self.tokenizer.encode(letters.upper()) if letters else []
        return torch.tensor(ids, dtype=torch.long, device=self.device)

    def _sequence(
        self, predictor: Predictor, sequence: str, output: str | None
    ) -> tuple[str, list[tuple[str, float]], str, int]:
        """What a head over the whole sequence predicts."""
        predictions = predictor.predict([sequence])
        values = predictions.scores[0]
        outputs = list(zip(self.labels, values.tolist(), strict=True))
        column = int(values.argmax()) if output is None else self._number(output)
        name = self.labels[column]
        if self.task == "regression":
            verdict = ", ".join(f"{label}: {number(value, 4)}" for label, value in outputs)
            return f"Predicted value: {verdict}", outputs, f"the value of {name}", column
        if self.task == "multi_label":
            chosen = predictions.names[0].replace(";", ", ") or "none of the labels"
            return (
                f"Predicted: {chosen}", outputs, f"the log-odds of {name}", column,
            )  # fmt: skip
        best = int(values.argmax())
        chance = float(values[best])
        sure = next(word for least, word in _SURE if chance >= least)
        verdict = (
            f"Predicted class: {self.labels[best]}, with probability {chance:.3f}. "
            f"The model is {sure}."
        )
        return verdict, outputs, f"the logit of class {name}", column

    def _bases(
        self, whole: Tensor, own: slice, output: str | None, found: dict[str, Any]
    ) -> tuple[str, list[tuple[str, float]], str, int]:
        """The class of every base."""
        if len(whole) <= self.model.config.max_position_embeddings:
            logits = self.model(whole[None]).logits[0, own].float()
            chances = logits.softmax(dim=-1).cpu().numpy()
        else:
            annotator = GenomeAnnotator(self.model, self.tokenizer)
            codes = _CODE_OF_TOKEN[whole.cpu().numpy()]
            chances = np.concatenate([part for _, part in annotator.iter_probabilities(codes)])[own]
        found["classes"] = [
            Column(f"p_{label}", label, chances[:, column].astype(np.float64))
            for column, label in enumerate(self.labels)
        ]
        best = chances.argmax(axis=1)
        counts = np.bincount(best, minlength=len(self.labels))
        outputs = list(zip(self.labels, chances.mean(axis=0).tolist(), strict=True))
        order = [column for column in np.argsort(-counts, kind="stable") if counts[column]]
        parts = [f"{self.labels[c]} at {counts[c]:,} bases" for c in order]
        if output is None:
            named = [int(c) for c in order if self.labels[c] != OTHER]
            column = named[0] if named else int(order[0])
        else:
            column = self._number(output)
        sure = float(chances.max(axis=1).mean())
        verdict = f"{', '.join(parts)}. Mean probability of the class called: {sure:.3f}."
        return (
            verdict, outputs,
            f"the log-odds of {self.labels[column]}, as the mean over these bases", column,
        )  # fmt: skip

    def _likelihood(
        self, whole: Tensor, own: slice, alphabet: Alphabet, letters: str, found: dict[str, Any]
    ) -> tuple[str, list[tuple[str, float]], str, int]:
        """How well a language model knows every base."""
        if self.task == "causal_lm":
            shifted = self.model(whole[None]).logits[0, :-1].float()
            even = shifted.new_zeros(1, shifted.shape[1])  # nothing comes before the first base
            logits = torch.cat([even, shifted])[own]
        else:
            logits = _hidden_logits(self.model, whole)[own]
        chances = logits[:, alphabet.first : sum(alphabet)].softmax(dim=-1).double().cpu().numpy()
        ids = whole[own].cpu().numpy() - alphabet.first
        known = (ids >= 0) & (ids < alphabet.size)
        bits = np.full(len(ids), math.nan)
        bits[known] = np.log2(np.maximum(chances[known, ids[known]], 1e-12))
        entropy = -(chances * np.log2(np.maximum(chances, 1e-12))).sum(axis=1)
        found["expected"] = chances
        found["likelihood"] = [
            Column("log_likelihood_bits", "log-likelihood (bits)", bits),
            Column("entropy_bits", "entropy (bits)", entropy),
        ]
        mean = float(-np.nanmean(bits)) if known.any() else math.nan
        chance = math.log2(alphabet.size)
        outputs = [("bits per base", mean), ("mean entropy", float(entropy.mean()))]
        better = "below" if mean < chance else "not below"
        verdict = (
            f"{mean:.3f} bits per base: {better} the {chance:.3g} bits of chance. The lower, the "
            "better the model knows the sequence."
        )
        explained = (
            "the log-likelihood of the stretch and what follows it, in nats"
            if self.task == "causal_lm"
            else "the log-odds of the base against the others in its place, in nats"
        )
        return verdict, outputs, explained, 0

    def _number(self, output: str) -> int:
        if output in self.labels:
            return self.labels.index(output)
        raise ConfigError(f"--class {output!r}: the model has {', '.join(self.labels)}")

    def _method(self, method: str, length: int, limit: int, remarks: list[str]) -> str | None:
        """The method to use; ``marginals`` is what masked language models have instead."""
        if method not in {*METHODS, "auto", "none"}:
            raise ConfigError(f"--method {method!r}: use auto, none, {', '.join(METHODS)}")
        if method == "none":
            return None
        if self.task == "masked_lm":
            if method not in {"auto", "mutagenesis"}:
                raise ConfigError(f"--method {method}: a masked language model is asked directly")
            return "marginals"
        if self._predictor is None and method not in {"auto", "mutagenesis"}:
            raise ConfigError(
                f"--method {method} explains predictions for whole sequences; this model says "
                "something of every base: use mutagenesis or none"
            )
        if method != "auto":
            return method
        room = self.model.config.max_position_embeddings
        if length <= min(limit, room):
            return "mutagenesis"
        if self._predictor is not None:
            remarks.append(
                f"{length:,} letters are more than the {limit:,} that are mutated; the attribution "
                "is estimated from the gradient."
            )
            return "input_x_gradient"
        remarks.append(
            f"There is no attribution: {length:,} letters are more than the {limit:,} that are "
            "mutated. Choose a region of at most that many (--region)."
        )
        return None

    def _objective(self, left: Tensor, right: Tensor, output: int) -> Any:
        if self.task == "causal_lm":
            return StretchLikelihood(self.model, left, right)
        if self.task == "token_classification":
            return ClassOfStretch(self.model, output, left, right)
        return self.model

    def _estimate(
        self, model: Any, ids: Tensor, alphabet: Alphabet, limit: int,
        on_cost: Callable[[str], None] | None,
    ) -> None:  # fmt: skip
        """Say what mutagenesis costs, and refuse what is too much."""
        with inference_mode_of(model), torch.no_grad():
            model(ids[None])  # the first pass of a length is slower than those behind it
            begun = time.perf_counter()
            model(ids.expand(_TRIAL, -1))
            each = (time.perf_counter() - begun) / _TRIAL
        mutants = len(ids) * (alphabet.size - 1)
        cost = f"{mutants:,} mutants of {len(ids):,} letters, about {duration(mutants * each)} here"
        if len(ids) > limit:
            raise ConfigError(
                f"mutagenesis of {len(ids):,} letters means {cost}; the limit is {limit:,} letters."
                " Choose a shorter --region, a gradient --method (saliency, input_x_gradient; for "
                "models that predict from whole sequences), --method none, or a higher --limit"
            )
        if on_cost is not None:
            on_cost(cost)

    def _attribute(
        self, model: Any, ids: Tensor, column: int, method: Any, batch_size: int,
        alphabet: Alphabet, on_progress: Progress | None,
    ) -> Attribution:  # fmt: skip
        total = len(ids) * (alphabet.size - 1) if method == "mutagenesis" else 0
        done = 0

        def count(_module: Any, _inputs: Any, output: Any) -> None:
            nonlocal done
            done += len(output.logits)
            if on_progress is not None and total:
                on_progress(min(done, total), total)

        chosen: Method = method
        with model.register_forward_hook(count):
            return attribute(model, ids[None], column, method=chosen, batch_size=batch_size)[0]

    def _facts(self, attribution: Attribution | None) -> list[tuple[str, str]]:
        config = self.model.config
        facts = [
            ("model", f"{type(self.model).__name__}, {self.model.num_parameters():,} parameters"),
            ("blocks", ", ".join(config.block_stripe(n) for n in range(config.num_layers))),
        ]
        if attribution is not None and self._predictor is not None:
            facts.append(("output explained", number(attribution.prediction, 4)))
        if attribution is not None and attribution.delta is not None:
            facts.append(
                ("completeness: sum of the scores minus what they should add up to",
                 number(attribution.delta, 3))
            )  # fmt: skip
        return facts


def _patches(model: HyenaGLTPreTrainedModel, ids: Tensor, room: int) -> SequencePatches:
    """Patches of a stretch; of one that is longer than the model takes, part by part."""
    parts = compute_compression_statistics(model, list(ids.split(room))).sequences
    if len(parts) == 1:
        return parts[0]
    starts = [number * room + start for number, one in enumerate(parts) for start in one.starts]
    lengths = [length for one in parts for length in one.lengths]
    scores = [score for one in parts for score in one.scores]
    return SequencePatches(starts, lengths, scores, len(ids) / len(lengths))


def _hidden_logits(model: HyenaGLTPreTrainedModel, ids: Tensor) -> Tensor:
    """Logits at every token while it, and every eighth one with it, is hidden."""
    turns = torch.arange(len(ids), device=ids.device) % _TURNS
    found: Tensor | None = None
    for turn in range(min(_TURNS, len(ids))):
        hidden = ids.masked_fill(turns == turn, MASK_TOKEN_ID)
        logits = model(input_ids=hidden[None]).logits[0].float()
        found = torch.zeros_like(logits) if found is None else found
        found[turn::_TURNS] = logits[turn::_TURNS]
    assert found is not None
    return found


def _marginals(expected: Any, ids: Tensor, alphabet: Alphabet) -> Attribution:
    """Effects of substitutions as a masked language model sees them, in nats."""
    log = torch.from_numpy(np.log(np.maximum(expected, 1e-12)))
    own = ids.cpu().unsqueeze(1) == torch.arange(alphabet.first, sum(alphabet))
    reference = torch.where(own, log, 0.0).sum(dim=1, keepdim=True)
    known = own.any(dim=1, keepdim=True)
    effects = ((log - reference) * known).masked_fill(own, 0.0).float()
    total = float(reference.sum())
    return Attribution(substitution_scores(effects, own), effects, total)
