"""New sequences from a causal language model, with or without a prompt.

prompts -> batches, padded on the left -> ``generate`` under the rules -> letters, scored

Models of this package are trained without a start token.  Without a prompt the first base (or
k-mer) is therefore drawn uniformly from what the rules allow, and counts so in the likelihood.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers.generation.logits_process import LogitsProcessorList
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList

from hyena_glt.biology.codons import translate
from hyena_glt.data.collators import SequenceCollator
from hyena_glt.errors import AlphabetError, ConfigError, DataError
from hyena_glt.inference.decoding import check_stop, decoding_options
from hyena_glt.inference.offload import offloaded
from hyena_glt.inference.scoring import iter_log_likelihoods
from hyena_glt.model.constraints import GCRange, LettersOnly, OpenReadingFrame, SequenceConstraint
from hyena_glt.model.modes import inference_mode_of
from hyena_glt.model.pretrained import HyenaGLTPreTrainedModel
from hyena_glt.tokenizers.base import KmerTokenizer


class Generated(NamedTuple):
    """A generated sequence.

    Attributes:
        sequence: Prompt and new letters, upper case, 5' to 3'.
        prompt_length: Letters of the prompt.
        log_likelihood: Of the new letters given the prompt, in nats, as the model sees them:
            temperature, top-k, top-p and rules leave it as it is.
        bits_per_base: Minus the mean log-likelihood per new letter, in bits.
    """

    sequence: str
    prompt_length: int
    log_likelihood: float
    bits_per_base: float

    @property
    def new(self) -> str:
        """The letters behind the prompt."""
        return self.sequence[self.prompt_length :]


def generate_sequences(
    model: HyenaGLTPreTrainedModel,
    tokenizer: KmerTokenizer,
    prompt: str | Sequence[str] = "",
    *,
    length: int,
    n: int = 1,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    beams: int = 1,
    greedy: bool = False,
    seed: int = 0,
    gc_range: tuple[float, float] | None = None,
    open_reading_frame: int | None = None,
    stop_at: str | None = None,
    batch_size: int = 16,
    offload: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> list[Generated]:
    """Generate sequences; they hold canonical letters and nothing else.

    The caller's random state is left as it was.  The same arguments give the same sequences;
    ``batch_size`` is one of them where tokens are drawn.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer; the tokens must not overlap.
        prompt: Letters to go on from, one text or several of any length; may be empty.
        length: New letters per sequence, a multiple of the k-mer size.
        n: Sequences per prompt.
        temperature: Divides the logits: below 1, likely letters become likelier still.  None: 1.
        top_k: Draw from that many likeliest tokens; None: from all.
        top_p: Draw from the likeliest tokens that together have this probability; None: from all.
        beams: If more than 1, search for the likeliest sequences with that many beams.
        greedy: Take the likeliest token each time.
        seed: Of all that is drawn.
        gc_range: Least and largest fraction of G and C among the new bases of each sequence.
        open_reading_frame: First base of a reading frame that shall hold no stop codon, 0-based
            from the first base of the prompt.
        stop_at: Letters, such as a stop codon or a terminator, with which a sequence ends before
            ``length`` is reached; they stay in it, and lie wholly behind the prompt.
        batch_size: Sequences (or beams) generated at once.
        offload: Compute on the GPU, if there is one, with the weights in main memory: slower, for
            models that do not fit.
        on_progress: Called with the number of letters just generated, over all sequences.

    Returns:
        ``n`` sequences for each prompt, in the order of the prompts; with beams, the best first.

    Raises:
        ConfigError: If the model is two-sided, an argument breaks its rule, or two exclude each
            other.
        DataError: If a prompt has a letter that the tokenizer does not know or breaks a rule, or
            does not fit into the model together with the new letters.
    """
    if not model.config.causal:
        raise ConfigError(
            "the model looks both ways (causal=False) and cannot generate; train a causal one: "
            "hyena-glt pretrain --objective clm"
        )
    for name, value in (("length", length), ("n", n), ("batch_size", batch_size)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    options = decoding_options(n, temperature, top_k, top_p, beams, greedy)
    if stop_at is not None:
        check_stop(stop_at, tokenizer, gc_range, beams)
    if length % tokenizer.kmer_size:
        raise ConfigError(
            f"length must be a multiple of the k-mer size ({tokenizer.kmer_size}), got {length}"
        )
    plan = _Plan(
        tokenizer, length // tokenizer.kmer_size, options, gc_range, open_reading_frame,
        stop_at, on_progress,
    )  # fmt: skip
    plan.rules(0)  # whatever is wrong with the rules shall be said before the prompts are read

    prompts = [text.upper() for text in ([prompt] if isinstance(prompt, str) else prompt)]
    rows = [_encode(text, number, plan, model) for number, text in enumerate(prompts, 1)]
    copies = options.get("num_return_sequences", 1)
    order = [row for row in range(len(rows)) for _ in range(n // copies)]
    results: list[list[Generated]] = [[] for _ in rows]
    with (
        inference_mode_of(model),
        offloaded(model) if offload else nullcontext(),
        torch.no_grad(),
        torch.random.fork_rng(devices=range(torch.cuda.device_count())),
    ):
        torch.manual_seed(seed)
        for batch in _batches(order, rows, max(1, batch_size // beams)):
            made = _extend(model, plan, [rows[row] for row in batch])
            for row, ids in zip(np.repeat(batch, copies), made, strict=True):
                results[row].append(_result(model, plan, prompts[row], rows[row], ids))
    return [result for group in results for result in group]


@dataclass(frozen=True)
class _Plan:
    """What all batches have in common; ``tokens`` are new tokens per sequence."""

    tokenizer: KmerTokenizer
    tokens: int
    options: dict[str, Any]
    gc_range: tuple[float, float] | None
    open_reading_frame: int | None
    stop_at: str | None
    on_progress: Callable[[int], None] | None

    def rules(self, prompt_tokens: int) -> LogitsProcessorList:
        rules: list[SequenceConstraint] = [LettersOnly(self.tokenizer)]
        if self.gc_range is not None:
            rules.append(
                GCRange(
                    self.tokenizer, *self.gc_range, length=self.tokens, prompt_tokens=prompt_tokens
                )
            )
        if self.open_reading_frame is not None:
            rules.append(OpenReadingFrame(self.tokenizer, self.open_reading_frame))
        return LogitsProcessorList(rules)


class _Watch(StoppingCriteria):
    """Report each step, and end the rows that have reached the letters to stop at."""

    def __init__(self, plan: _Plan, prompt_tokens: int, sequences: int) -> None:
        self.report = plan.on_progress
        self.letters = sequences * plan.tokenizer.kmer_size
        self.prompt_tokens = prompt_tokens
        self.stop = plan.tokenizer.encode(plan.stop_at) if plan.stop_at else None

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Any:
        if self.report is not None:
            self.report(self.letters)
        new = input_ids[:, self.prompt_tokens :]
        if self.stop is None or new.shape[1] < len(self.stop):
            return torch.zeros(len(new), dtype=torch.bool, device=new.device)
        return (new[:, -len(self.stop) :] == new.new_tensor(self.stop)).all(dim=1)


def _extend(model: HyenaGLTPreTrainedModel, plan: _Plan, prompts: list[Tensor]) -> Tensor:
    """New tokens (rows, t) for prompts that are all empty or all not; the best row first."""
    collate = SequenceCollator(pad_token_id=plan.tokenizer.pad_token_id, padding_side="left")
    batch = collate([{"input_ids": prompt} for prompt in prompts])
    ids, mask = (batch[name].to(model.device) for name in ("input_ids", "attention_mask"))
    prompt_tokens = ids.shape[1]
    rules = plan.rules(prompt_tokens)
    missing = plan.tokens
    if prompt_tokens == 0:
        scores = rules(ids, torch.zeros(len(ids), model.config.genomic_vocab_size))  # type: ignore[arg-type]
        ids = torch.multinomial(scores.softmax(dim=1), 1).to(model.device)
        mask = torch.ones_like(ids)
        missing -= 1
    copies = plan.options.get("num_return_sequences", 1)
    made: Tensor
    if missing == 0:
        made = ids.repeat_interleave(copies, dim=0)
    else:
        watch = _Watch(plan, prompt_tokens, len(prompts) * copies)
        made = model.generate(  # type: ignore[operator]
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=missing,
            pad_token_id=plan.tokenizer.pad_token_id,
            logits_processor=rules,
            stopping_criteria=StoppingCriteriaList([watch]),
            **plan.options,
        )
    new = made[:, prompt_tokens:]
    for group in new.split(copies):
        # Where there are fewer sequences than beams, Hugging Face returns rows not filled in.
        if len(group.unique(dim=0)) < copies or bool((group < 0).any()):
            raise ConfigError(
                f"there are fewer than n={copies} different sequences to find; lower n"
            )
    return new.cpu()


def _result(
    model: HyenaGLTPreTrainedModel, plan: _Plan, prompt: str, prompt_ids: Tensor, ids: Tensor
) -> Generated:
    letters = plan.tokenizer.decode(ids)
    assert isinstance(letters, str)
    if plan.stop_at is not None:
        at = letters.find(plan.stop_at)
        if at >= 0:
            letters = letters[: at + len(plan.stop_at)]
            ids = ids[: len(letters)]
    whole = torch.cat([prompt_ids, ids])
    values = np.concatenate(list(iter_log_likelihoods(model, whole)))[len(prompt_ids) :]
    total = float(values.sum())
    return Generated(prompt + letters, len(prompt), total, -total / math.log(2) / len(letters))


def _batches(order: Sequence[int], rows: Sequence[Tensor], size: int) -> Iterator[list[int]]:
    """Rows of each batch; those without a prompt start otherwise and stay among themselves."""
    for empty in (True, False):
        group = [row for row in order if (len(rows[row]) == 0) is empty]
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _encode(prompt: str, number: int, plan: _Plan, model: HyenaGLTPreTrainedModel) -> Tensor:
    tokenizer = plan.tokenizer
    try:
        read = "".join(tokenizer.aliases.get(letter, letter) for letter in prompt)
        tokenizer.alphabet.check_letters(read)
        ids = torch.tensor(tokenizer.encode(prompt), dtype=torch.long)
    except AlphabetError as error:
        raise AlphabetError(f"prompt {number}: {error}") from None
    if len(prompt) % tokenizer.kmer_size:
        raise DataError(
            f"prompt {number}: its {len(prompt)} letters are no multiple of the k-mer size "
            f"({tokenizer.kmer_size})"
        )
    limit = model.config.max_position_embeddings
    if len(ids) + plan.tokens > limit:
        raise DataError(
            f"prompt {number}: {len(ids)} tokens and {plan.tokens} new ones are more than the "
            f"model takes, {limit} (max_position_embeddings)"
        )
    if plan.open_reading_frame is not None:
        _check_frame(prompt, number, plan.open_reading_frame)
    return ids


def _check_frame(prompt: str, number: int, start: int) -> None:
    frame = prompt[start:]
    for at, letter in enumerate(frame):
        if letter not in "ACGTU":
            raise DataError(
                f"prompt {number}: {letter!r} at position {start + at} (0-based) lies in the "
                "reading frame, where A, C, G and T alone tell what is a stop codon"
            )
    stop = translate(frame).find("*")
    if stop >= 0:
        at = start + 3 * stop
        raise DataError(
            f"prompt {number}: {prompt[at : at + 3]} at position {at} (0-based) is a stop codon in "
            f"the reading frame that starts at {start}"
        )
