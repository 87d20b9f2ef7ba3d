"""The effect of variants, as a model sees it: alternative allele against reference.

variant -> windows with either allele, on each strand -> batches -> alternative minus reference

What is compared depends on the model:

* A *causal* language model gives the log-likelihood of the bases from the variant to the end of
  the window; what stands before it is the same in both windows.
* A *masked* language model is shown neither allele and asked for both: the masked marginal.  For an
  insertion or a deletion as many letters are hidden in both windows, as the longer allele has.
* A trained *head* gives logits and probabilities, or values.

Language models read both strands, and the mean counts; a head reads the strands that its training
meant.  Positions are 0-based; log-likelihoods are in nats, and negative where the alternative is
the less likely one.

Sources:
    Masked marginal: Meier et al. 2021, bioRxiv 2021.07.09.450648.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from hyena_glt.biology.alleles import allele_windows
from hyena_glt.biology.alphabet import DNA
from hyena_glt.biology.intervals import Variant
from hyena_glt.biology.sequences import reverse_complement
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.errors import ConfigError
from hyena_glt.inference.loading import LANGUAGE_MODELS, load_language_model
from hyena_glt.inference.predictor import Predictor
from hyena_glt.inference.variant_methods import Reading, method_for
from hyena_glt.inference.variant_reference import ContigNaming, VariantReference
from hyena_glt.io.indexed_fasta import IndexedFasta
from hyena_glt.model.faces import HyenaGLTForCausalLM, HyenaGLTForSequenceClassification
from hyena_glt.model.folder import open_model_folder
from hyena_glt.model.modes import inference_mode_of

Strand = Literal["auto", "both", "forward", "reverse"]
"""Which strands of the reference are read, see :class:`VariantScorer`."""

USUAL_WINDOW = 1024
"""Bases of a window unless another number is asked for, or the model takes fewer."""

BLOCK = 256
"""Variants that are read before batches are made of them."""

_STRANDS = {"both": ("+", "-"), "forward": ("+",), "reverse": ("-",)}

Values = NDArray[np.float64]


class VariantScore(NamedTuple):
    """What a model makes of one alternative of a variant.

    Attributes:
        variant: The variant, with all its alternatives.
        number: Which alternative, from 0 on.
        values: One number per column of the scorer; None where the allele has no score.
        reason: Why it has none, a name of
            :data:`~hyena_glt.inference.variant_reference.REASONS`; else empty.
        embedding: Change of the mean hidden state over the window, if asked for.
    """

    variant: Variant
    number: int
    values: tuple[float, ...] | None
    reason: str = ""
    embedding: Values | None = None

    @property
    def alternative(self) -> str:
        """The allele; ``.`` if the variant has none."""
        return self.variant.alternatives[self.number] if self.variant.alternatives else "."


class VariantScorer:
    """Score variants against a reference genome.

    Args:
        model: A causal or masked language model of DNA, or a sequence classifier or regressor.
        tokenizer: Its tokenizer.
        fasta: The reference, or its path; plain FASTA or packed by bgzip.
        window: Bases of a window; None: 1,024, or fewer if the model takes fewer.
        strand: ``auto``: both for language models; for heads what the training meant, which is both
            if ``config.reverse_complement`` is ``average`` and else the forward one.  ``reverse``
            is for genes on the reverse strand and models whose labels belong to one strand.
        contig_naming: As :class:`~hyena_glt.inference.variant_reference.VariantReference` says.
        batch_size: Windows per forward pass.
        embeddings: Whether to give the change of the mean hidden state too.

    Raises:
        ConfigError: If the model is about something else than DNA, its k-mers overlap though it is
            a language model, or a setting is out of range.
        DataError: If the FASTA file cannot be read.

    Attributes:
        columns: What the numbers of a score are.
        reference: The genome.
        window: Bases of a window.
        strands: Those that windows are cut from: ``+``, ``-``; just ``+`` with a model that
            averages over both by itself.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        fasta: IndexedFasta | str | Path,
        *,
        window: int | None = None,
        strand: Strand = "auto",
        contig_naming: ContigNaming = "as-is",
        batch_size: int = 32,
        embeddings: bool = False,
    ) -> None:
        self.tokenizer = tokenizer.of("dna") if tokenizer.is_joint else tokenizer
        if self.tokenizer.alphabet_size != len(DNA.letters):
            raise ConfigError("variants of a genome are scored by models of DNA, not of protein")
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        self._method = method_for(model)
        if model.config.overlapping_kmers and _is_language_model(model):
            raise ConfigError(
                "scores need tokens that do not overlap; the model reads k-mers with stride 1"
            )
        self.columns = self._method.columns
        self.strands = _strands(strand, model)
        self.window = _window(window, model, self.tokenizer.bases_per_token)
        self.reference = VariantReference(fasta, contig_naming)
        self.batch_size = batch_size
        self.embeddings = embeddings
        place: Any = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model
        self.model.to(place)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        fasta: IndexedFasta | str | Path,
        *,
        task: str | None = None,
        **settings: Any,
    ) -> "VariantScorer":
        """Load model and tokenizer from a run's folder.

        Args:
            folder: What ``hyena-glt pretrain --output`` or ``train --output`` wrote.
            fasta: The reference.
            task: Which one of a model of several tasks scores.
            settings: The further arguments of the class.

        Raises:
            DataError: If the folder holds no such model.
            ConfigError: If the model has no such task, or several and none is named.
        """
        if open_model_folder(folder).architecture in LANGUAGE_MODELS:
            if task is not None:
                raise ConfigError(f"{folder}: a language model has no tasks; leave --task")
            model, tokenizer = load_language_model(folder)
            return cls(model, tokenizer, fasta, **settings)
        predictor = Predictor.from_pretrained(folder, task)
        return cls(predictor.model, predictor.tokenizer, fasta, **settings)

    def score(self, variants: Iterable[Variant], *, block: int = BLOCK) -> Iterator[VariantScore]:
        """Score variants, in the order given.

        Memory does not grow with their number.

        Args:
            variants: For example what :func:`~hyena_glt.io.vcf.iter_vcf` reads.
            block: Variants that are read before batches are made of them.

        Yields:
            One score per alternative, and one for a variant without any; those that cannot be
            scored have a reason instead.
        """
        source = iter(variants)
        while some := list(islice(source, block)):
            yield from self._score(some)

    def _score(self, variants: Sequence[Variant]) -> Iterator[VariantScore]:
        readings: list[Reading] = []
        alleles: list[tuple[Variant, int, str]] = []
        for variant in variants:
            for number, reason in enumerate(self.reference.reasons(variant)):
                found = [] if reason else self._readings(variant, number)
                alleles.append((variant, number, reason or ("" if found else "allele_too_long")))
                readings += found
        values, embeddings = self._run(readings)
        changes = iter(self._change(values))
        moves = iter(self._change(embeddings))
        for variant, number, reason in alleles:
            if reason:
                yield VariantScore(variant, number, None, reason)
                continue
            own = tuple(next(changes).tolist())
            yield VariantScore(variant, number, own, "", next(moves) if self.embeddings else None)

    def _change(self, values: Values) -> Values:
        """Alternative minus reference, the mean over the strands."""
        pairs = values.reshape(-1, len(self.strands), 2, values.shape[1])
        change: Values = (pairs[:, :, 1] - pairs[:, :, 0]).mean(axis=1)
        return change

    def _readings(self, variant: Variant, number: int) -> list[Reading]:
        """Reference and alternative on each strand; none if the windows are too short."""
        longest = self.model.config.max_position_embeddings
        found = self._readings_of(variant, number, self.window)
        if any(len(reading.ids) > longest for reading in found):
            # Around N a k-mer falls into single bases, so that a window may be too many tokens.
            return self._readings_of(variant, number, longest)
        return found

    def _readings_of(self, variant: Variant, number: int, window: int) -> list[Reading]:
        context, at = self.reference.context(variant, 2 * self.window)
        reference = variant.reference.upper()
        alternative = variant.alternatives[number].upper()
        step = self.tokenizer.bases_per_token
        # A contig shorter than a window still has to give a whole number of k-mers.
        shortest = len(context) + min(0, len(alternative) - len(reference))
        size = min(window, shortest) // step * step
        found = []
        for strand in self.strands:
            if strand == "-":
                at = len(context) - at - len(reference)
                context, reference, alternative = map(
                    reverse_complement, (context, reference, alternative)
                )
            windows = allele_windows(context, at, reference, alternative, size)
            if windows is None:
                return []
            for letters in (windows.reference, windows.alternative):
                ids = np.asarray(self.tokenizer(letters, return_attention_mask=False)["input_ids"])
                starts, _ = self.tokenizer.token_spans(ids)
                ends = [windows.offset, windows.offset + windows.changed - 1]
                first, last = np.searchsorted(starts, ends, side="right") - 1
                found.append(Reading(ids, int(first), int(last) + 1))
        return found

    def _run(self, readings: Sequence[Reading]) -> tuple[Values, Values]:
        """Numbers of each reading, and the mean hidden states if they are wanted."""
        method = self._method
        count = len(self.columns)

        def numbers(output: Any, place: int, reading: Reading) -> Tensor:
            return method.read(output.logits[place], reading)

        def states(output: Any, place: int, reading: Reading) -> Tensor:
            mean: Tensor = output.last_hidden_state[place, : len(reading.ids)].double().mean(dim=0)
            return mean

        def both(output: Any, place: int, reading: Reading) -> Tensor:
            return torch.cat([numbers(output, place, reading), states(output, place, reading)])

        whole = [reading.ids for reading in readings]
        shown = [method.shown(reading) for reading in readings]
        if not self.embeddings:
            return self._read(shown, readings, numbers, count), np.zeros((0, 1))
        width = self.model.config.hidden_size
        if method.shows_alleles:
            values = self._read(shown, readings, both, count + width)
            return values[:, :count], values[:, count:]
        values = self._read(shown, readings, numbers, count)
        return values, self._read(whole, readings, states, width)

    @torch.no_grad()
    def _read(
        self,
        rows: Sequence[NDArray[np.int64]],
        readings: Sequence[Reading],
        read: Callable[[Any, int, Reading], Tensor],
        width: int,
    ) -> Values:
        """Run each different row once, rows of like length together, and read the outputs."""
        same: dict[bytes, list[int]] = {}
        for number, ids in enumerate(rows):
            same.setdefault(ids.tobytes(), []).append(number)
        groups = sorted(same.values(), key=lambda numbers: len(rows[numbers[0]]))
        collate = SequenceCollator(pad_token_id=self.tokenizer.pad_token_id)
        values = np.zeros((len(rows), width))
        with inference_mode_of(self.model):
            for first in range(0, len(groups), self.batch_size):
                some = groups[first : first + self.batch_size]
                batch = collate([{"input_ids": torch.from_numpy(rows[own[0]])} for own in some])
                output = self.model(**{k: v.to(self.model.device) for k, v in batch.items()})
                for place, own in enumerate(some):
                    for number in own:
                        values[number] = read(output, place, readings[number]).cpu().numpy()
        return values


def _is_language_model(model: PreTrainedModel) -> bool:
    return not isinstance(model, HyenaGLTForSequenceClassification)


def _window(asked: int | None, model: PreTrainedModel, step: int) -> int:
    """Bases of a window: a whole number of k-mers, no longer than the model takes."""
    longest = model.config.max_position_embeddings * step
    size = min(USUAL_WINDOW, longest) if asked is None else asked
    if not 2 * step <= size <= longest:
        raise ConfigError(
            f"the window must be {2 * step} to {longest:,} bases for this model, got {size:,}"
        )
    return size // step * step


def _strands(asked: Strand, model: PreTrainedModel) -> tuple[str, ...]:
    if asked not in {"auto", *_STRANDS}:
        raise ConfigError(f"strand must be auto, both, forward or reverse, got {asked!r}")
    if model.config.reverse_complement == "average" and not isinstance(model, HyenaGLTForCausalLM):
        if asked not in {"auto", "both"}:
            raise ConfigError(
                f"the model averages over both strands by itself and cannot read the {asked} one "
                "alone; leave the strand as auto"
            )
        return ("+",)
    if asked == "auto":
        asked = "both" if _is_language_model(model) else "forward"
    return _STRANDS[asked]
