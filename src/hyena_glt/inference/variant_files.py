"""VCF files scored: every record comes out again, with scores or with the reason for none.

VCF file -> survey: counts, faults -> blocks of rows, each kept as soon as it is done -> VCF or TSV

Finished blocks wait in a folder beside the output, with a journal that says how much of it counts.
A run that dies leaves them there and can be gone on with; what was written behind the last entry
of the journal is cut off, so no record is lost and none comes twice.  Memory does not grow with
the file.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch

from hyena_glt.errors import ConfigError, OutputError
from hyena_glt.inference.variant_survey import Survey, described, refuse_faults, survey_vcf
from hyena_glt.inference.variant_tables import (
    VCF_ENDINGS,
    embedding_bytes,
    text_for,
    write_embeddings,
)
from hyena_glt.inference.variants import BLOCK, VariantScore, VariantScorer
from hyena_glt.io.atomic import atomic_write
from hyena_glt.io.files import STANDARD_INPUT, open_bytes
from hyena_glt.io.lines import write_lines
from hyena_glt.io.vcf import iter_vcf_rows, vcf_header

EMBEDDING_ENDINGS = (".npz", ".parquet")

_FOLDER_ENDING = ".unfinished"


class Written(NamedTuple):
    """What became of a VCF file.

    Attributes:
        survey: What it holds; its ``reasons`` and ``examples`` are those of the scoring.
        scored: Alleles with scores.
        resumed: Records that an earlier run had done.
        tabix: Index of the output; None if there is none.
    """

    survey: Survey
    scored: int
    resumed: int
    tabix: Path | None


def unfinished_folder(output: str | Path) -> Path:
    """Where the finished blocks of a run wait.

    Args:
        output: The file that it will write.
    """
    return Path(f"{output}{_FOLDER_ENDING}")


def score_vcf(
    scorer: VariantScorer,
    vcf: str | Path,
    output: str | Path,
    *,
    embeddings: str | Path | None = None,
    strict: bool = False,
    resume: bool = False,
    on_survey: Callable[[Survey], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Written:
    """Score the variants of a VCF file and write them with their scores.

    Args:
        scorer: What scores them.
        vcf: VCF file, plain, gzipped or bgzipped; ``-`` is the standard input.
        output: ``.vcf``, ``.vcf.gz`` (bgzipped, with a tabix index if the records are sorted),
            ``.tsv`` or ``.tsv.gz``; a table has one line per alternative.  It appears when it is
            complete, and takes the place of an older file.
        embeddings: ``.npz`` or ``.parquet`` file for the change of the mean hidden state of each
            scored allele; needs a scorer made with ``embeddings=True``.
        strict: Refuse a file that is not sorted or holds an allele that cannot be scored.
        resume: Go on with a run that died, if there is one.
        on_survey: Called when the file has been read once, before scoring begins.
        on_progress: Called with the number of records that are done.

    Raises:
        ConfigError: If the run to go on with was started with other settings or files.
        DataError: If the input is no VCF file, or ``strict`` refuses it.
        OutputError: If the output cannot be written, or a run that died has left its blocks and
            ``resume`` is False.
    """
    output = Path(output)
    text = text_for(output, scorer.columns)
    _check_no_folder(output)
    if embeddings is not None:
        _check_embeddings(Path(embeddings), scorer)
    settings = {
        "vcf": _stamp(vcf), "fasta": _stamp(scorer.reference.fasta.path),
        "model": _checksum(scorer), "contig_naming": scorer.reference.naming,
        "window": scorer.window, "strands": "".join(scorer.strands),
        "scores": [column.name for column in scorer.columns], "output": output.name,
        "embeddings": embeddings is not None,
    }  # fmt: skip
    with _Blocks(output, settings, resume=resume) as blocks:
        source = blocks.input(vcf)
        survey = survey_vcf(source, scorer.reference)
        if strict:
            refuse_faults(survey, vcf)
        on_survey(survey)
        resumed = blocks.records
        on_progress(resumed)
        left = islice(iter_vcf_rows(source), resumed, None)
        while some := list(islice(left, BLOCK)):
            scores = scorer.score([variant for variant, _ in some], block=len(some))
            own = [list(group) for _, group in groupby(scores, key=lambda one: id(one.variant))]
            numbered = range(blocks.records + 1, blocks.records + 1 + len(some))
            lines = [
                line
                for number, (_, columns), alleles in zip(numbered, some, own, strict=True)
                for line in text.lines(number, columns, alleles)
            ]
            moves = [embedding_bytes(*pair) for pair in zip(numbered, own, strict=True)]
            blocks.add(len(some), lines, b"".join(moves), own)
            on_progress(blocks.records)
        if embeddings is not None:
            write_embeddings(Path(embeddings), blocks.embeddings, scorer.model.config.hidden_size)
        note = (
            f"window {scorer.window}, strands {settings['strands']}, "
            f"FASTA {scorer.reference.fasta.path.name}"
        )
        write_lines(output, _joined(text.header(vcf_header(source), note), blocks.rows))
        wants_index = output.name.lower().endswith(VCF_ENDINGS[1:]) and not survey.unsorted
        index = _index(output) if wants_index else None
        if index is None:
            _index_path(output).unlink(missing_ok=True)  # that of an older file
        found = survey._replace(reasons=blocks.reasons, examples=blocks.examples)
        written = Written(found, blocks.scored, resumed, index)
        blocks.remove()
    return written


class _Blocks:
    """What is done of a run, in a folder beside its output.

    Leaving it by an error before anything is done removes the folder.
    """

    def __init__(self, output: Path, settings: dict[str, Any], *, resume: bool) -> None:
        self.path = unfinished_folder(output)
        self.rows = self.path / "rows.txt"
        self.embeddings = self.path / "embeddings.bin"
        self._journal = self.path / "journal.json"
        self._state: dict[str, Any] = {
            "settings": settings, "records": 0, "scored": 0, "reasons": {}, "examples": {},
            "rows": 0, "embeddings": 0,
        }  # fmt: skip
        if self.path.exists():
            if not resume:
                raise OutputError(
                    f"{self.path}: a run that did not end has left its blocks here; go on with it "
                    "(--resume), or remove the folder"
                )
            self._read(settings)
        else:
            try:
                self.path.mkdir(parents=True)
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be made ({error.strerror})") from None
        for file, name in ((self.rows, "rows"), (self.embeddings, "embeddings")):
            file.touch()
            os.truncate(file, self._state[name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None and not self.records:
            self.remove()

    @property
    def records(self) -> int:
        """Records that are done."""
        return int(self._state["records"])

    @property
    def scored(self) -> int:
        """Alleles with scores."""
        return int(self._state["scored"])

    @property
    def reasons(self) -> dict[str, int]:
        """How many alleles have none, by reason."""
        return dict(self._state["reasons"])

    @property
    def examples(self) -> dict[str, str]:
        """The first allele of each reason."""
        return dict(self._state["examples"])

    def input(self, vcf: str | Path) -> str | Path:
        """The file to read: a copy, where it comes from the standard input."""
        if str(vcf) != STANDARD_INPUT:
            return vcf
        copy = self.path / "input.vcf"
        if not copy.exists():
            with (
                atomic_write(copy) as unfinished,
                open_bytes(vcf) as handle,
                unfinished.open("wb") as target,
            ):
                shutil.copyfileobj(handle, target)
        return copy

    def add(
        self,
        records: int,
        lines: Sequence[str],
        embeddings: bytes,
        scores: Sequence[Sequence[VariantScore]],
    ) -> None:
        """Keep a block: first its rows, then the entry of the journal that makes them count."""
        state = self._state
        _append(self.rows, "".join(f"{line}\n" for line in lines).encode())
        _append(self.embeddings, embeddings)
        reasons = Counter(state["reasons"])
        for alleles in scores:
            for one in alleles:
                if one.reason:
                    reasons[one.reason] += 1
                    where = described(one.variant, one.number)
                    state["examples"].setdefault(one.reason, where)
                else:
                    state["scored"] += 1
        state["reasons"] = dict(reasons)
        state["records"] += records
        state["rows"] = self.rows.stat().st_size
        state["embeddings"] = self.embeddings.stat().st_size
        with atomic_write(self._journal) as unfinished:
            unfinished.write_text(json.dumps(state), encoding="utf-8")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _read(self, settings: dict[str, Any]) -> None:
        if not self._journal.exists():
            return  # it died before its first block
        try:
            state = json.loads(self._journal.read_text(encoding="utf-8"))
            before = state["settings"]
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f"{self._journal}: this is no journal of variants; remove the folder"
            ) from None
        for name, now in settings.items():
            if before.get(name) != now:
                raise ConfigError(
                    f"--resume: the run was started with {name} {before.get(name)}, not {now}; "
                    f"give the same, or remove {self.path} to start anew"
                )
        self._state = state


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _joined(header: Sequence[str], rows: Path) -> Iterator[str]:
    yield from header
    with rows.open(encoding="utf-8", newline="\n") as handle:
        for line in handle:
            yield line.removesuffix("\n")


def _index(path: Path) -> Path | None:
    """Index a bgzipped file; None where the format of the index has no room for its positions."""
    import pysam

    try:
        pysam.tabix_index(str(path), preset="vcf", force=True)
    except (OSError, ValueError):
        return None
    return _index_path(path)


def _index_path(path: Path) -> Path:
    return Path(f"{path}.tbi")


def _check_no_folder(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: this is a folder, a file is to be written there")


def _check_embeddings(path: Path, scorer: VariantScorer) -> None:
    if not scorer.embeddings:
        raise ConfigError("embeddings are written by a scorer made with embeddings=True")
    if path.suffix not in EMBEDDING_ENDINGS:
        raise OutputError(f"{path}: the name must end in {' or '.join(EMBEDDING_ENDINGS)}")
    _check_no_folder(path)


def _stamp(path: str | Path) -> str:
    """What tells a file from another one, or from what it was before."""
    if str(path) == STANDARD_INPUT:
        return "standard input"
    try:
        status = Path(path).stat()
    except OSError:
        return str(path)  # reading it will tell what is wrong
    return f"{Path(path).resolve()}, {status.st_size} bytes, changed {status.st_mtime_ns}"


def _checksum(scorer: VariantScorer) -> str:
    checksum = hashlib.sha256()
    for name, tensor in sorted(scorer.model.state_dict().items()):
        checksum.update(name.encode())
        checksum.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return checksum.hexdigest()[:16]
