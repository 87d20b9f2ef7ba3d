"""An explanation as one HTML page for biologists, complete in itself.

The numbers stand in the page as the rows of its own TSV file; the script of
``templates/explain.js`` draws them on a canvas, and gives them back as TSV, BED and PNG.  The page
loads nothing: its content security policy forbids it.
"""

import base64
import hashlib
import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata, resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from hyena_glt.biology.intervals import Feature
from hyena_glt.interpretability import readable
from hyena_glt.interpretability.attention_focus import Enrichment
from hyena_glt.interpretability.attention_profile import AttentionProfile
from hyena_glt.interpretability.explanation import Explanation, table_rows
from hyena_glt.interpretability.page_templates import page_templates
from hyena_glt.interpretability.svg_axes import Axis, Frame
from hyena_glt.interpretability.svg_plots import Figure, Series, plot, shorten
from hyena_glt.io.atomic import atomic_write

MAX_LANES = 8
MAX_FEATURES = 3_000
STRONGEST = 10
_VERSIONED = ("hyena-glt", "torch", "numpy")
_UNSAFE = re.compile(r"[^\w.+-]+")


class StrongBase(NamedTuple):
    """A base that matters.

    Attributes:
        position: 1-based, on the contig.
        letter: The base.
        patch: Number of its patch, from 1.
        score: Its attribution.
        to: The letter whose substitution changes most.
        change: By how much.
    """

    position: int
    letter: str
    patch: int
    score: float
    to: str
    change: float


def write_explanation(explanation: Explanation, path: str | Path, *, model_name: str = "") -> Path:
    """Write a page, whole or not at all.

    Args:
        explanation: What a model says of a sequence.
        path: Where to; an old page is replaced.
        model_name: What to call the model.

    Returns:
        The path.

    Raises:
        OutputError: If the file cannot be written there.
    """
    target = Path(path)
    content = render_explanation(explanation, model_name=model_name)
    with atomic_write(target) as unfinished:
        unfinished.write_bytes(content.encode("utf-8", errors="replace"))
    return target


def render_explanation(explanation: Explanation, *, model_name: str = "") -> str:
    """Put an explanation on a page.

    Args:
        explanation: What a model says of a sequence.
        model_name: What to call the model.

    Returns:
        A whole HTML document.
    """
    environment = page_templates()
    environment.filters |= {"number": readable.number, "shorten": shorten}
    script = _template_file("explain.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    features, remarks = _lanes(explanation)
    shown = replace(explanation, remarks=[*explanation.remarks, *remarks])
    return environment.get_template("explain.html.j2").render(
        it=shown,
        unit="bases" if len(explanation.alphabet) == 4 else "residues",
        model_name=model_name,
        bars=explanation.task in {"classification", "multi_label", "token_classification"},
        described=_description(explanation),
        strongest=_strongest(explanation),
        distances=None if shown.attention is None else distance_figure(shown.attention),
        focus_rows=_focus_rows(explanation),
        facts=explanation.facts,
        versions=[(name, metadata.version(name)) for name in _VERSIONED],
        style=Markup(_template_file("report.css") + _template_file("explain.css")),
        script=Markup(script),
        script_digest=digest,
        meta=Markup(_json(_meta(explanation, features))),
        # Letters and numbers only: nothing in them can end the element.
        table=Markup("\n".join(table_rows(explanation))),
    )


def patches_bed(explanation: Explanation) -> str:
    """Lay the patches out as BED: 0-based, scored by the size of their attribution, 0 to 1000.

    Args:
        explanation: With or without attribution.
    """
    patches = explanation.patches
    totals = np.zeros(len(patches.starts))
    if explanation.attribution is not None:
        scores = np.abs(explanation.attribution.scores.double().cpu().numpy())
        totals = np.add.reduceat(scores, patches.starts)
    scale = 1000 / totals.max() if totals.max() > 0 else 0.0
    lines = []
    for number, (start, length) in enumerate(
        zip(patches.starts, patches.lengths, strict=True), start=1
    ):
        first = explanation.start + start
        score = round(totals[number - 1] * scale)
        lines.append(f"{explanation.contig}\t{first}\t{first + length}\tpatch_{number}\t{score}\t.")
    return "\n".join(lines) + "\n"


def file_name(name: str) -> str:
    """Make the name of a sequence fit for a file.

    Args:
        name: Any text.
    """
    return _UNSAFE.sub("_", name).strip("._")[:100] or "explain"


class _LogAxis(Axis):
    """An axis of powers of ten; its values are their exponents."""

    def ticks(self) -> list[float]:
        step = max(1, math.ceil((self.high - self.low) / 6))
        return [float(v) for v in range(math.ceil(self.low), math.floor(self.high) + 1, step)]

    def tick_label(self, value: float) -> str:
        power = round(value)
        if 0 <= power < 4:
            return f"{10**power:,}"
        return readable.power_of_ten(power)


def distance_figure(attention: AttentionProfile) -> Figure:
    """Draw the mean weight of a base against its distance, for every block.

    Distances are put together by powers of the square root of two.

    Args:
        attention: Of one sequence.
    """
    series = []
    for number, (block, one) in enumerate(attention.blocks.items()):
        weight = np.nan_to_num(one.mean_weight)
        # Distance 0 is the base itself: it stands at the left edge, at one half.
        edges = np.unique(np.floor(2 ** (np.arange(0, 2 * 34) / 2)).astype(int))
        edges = edges[edges < len(weight)]
        x = [math.log10(0.5)]
        y = [weight[0]]
        for low, high in itertools.pairwise([*edges, len(weight)]):
            x.append(math.log10((low + high - 1) / 2))
            y.append(float(weight[low:high].mean()))
        logs = [math.log10(v) if v > 1e-9 else math.nan for v in y]
        series.append(Series(f"block {block}, {one.kind}", x, logs, number))
    finite = [v for one in series for v in one.y if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (-1.0, 0.0)
    far = max(v for one in series for v in one.x)
    frame = Frame(
        _LogAxis("distance (bases)", math.log10(0.5), max(far, 0.5)),
        _LogAxis("mean weight of a base", math.floor(low - 0.2), math.ceil(high + 0.1)),
    )
    words = ", ".join(
        f"block {block} looks {one.reach():,} bases far with half of its attention"
        for block, one in attention.blocks.items()
    )
    caption = (
        f"Mean weight that a base gives one at this distance, over {attention.queries:,} bases. "
        "Left edge: the base itself."
    )
    return Figure("Attention against distance", plot(frame, series, words), series, caption)


def _template_file(name: str) -> str:
    folder = resources.files("hyena_glt.interpretability") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def _json(tree: Any) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _meta(explanation: Explanation, features: list[dict[str, Any]]) -> dict[str, Any]:
    attention = explanation.attention
    probability = ""
    if explanation.task == "classification":
        name, value = max(explanation.outputs, key=lambda item: item[1])
        probability = f"P({name}) of the sequence {readable.number(value)}"
    return {
        "contig": explanation.contig,
        "start": explanation.start,
        "length": len(explanation.sequence),
        "alphabet": explanation.alphabet,
        "file": file_name(explanation.name),
        "columns": [{"name": c.name, "label": c.label} for c in explanation.columns()],
        "patches": explanation.patches.starts,
        "features": features,
        "tracks": _tracks(explanation, features),
        "attention": [
            {"block": block, "kind": one.kind, "map": one.map.round(4).tolist()}
            for block, one in (attention.blocks if attention is not None else {}).items()
        ],
        "probability": probability,
        "bed": patches_bed(explanation),
    }


def _tracks(explanation: Explanation, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is drawn, from top to bottom."""
    found: list[dict[str, Any]] = [
        {"id": "ruler", "kind": "ruler", "title": "Position", "height": 22, "gap": 6}
    ]

    def add(
        name: str, kind: str, title: str, height: int, columns: Sequence[str], **more: Any
    ) -> None:
        found.append(
            {"id": name, "kind": kind, "title": title, "height": height, "columns": list(columns)}
            | more
        )

    if features:
        lanes = max(one["lane"] for one in features) + 1
        add("annotation", "features", "Annotation", 18 * lanes, ())
    if explanation.classes:
        names = [column.name for column in explanation.classes]
        add("classes", "lines", "Class\nprobability", 90, names, range=[0, 1])
    if explanation.attribution is not None:
        add("attribution", "letters", "Attribution", 120, ["attribution"])
        effects = [f"effect_{letter}" for letter in explanation.alphabet]
        add("variants", "heat", "Variants\nif it became", max(56, 11 * len(effects)), effects)
    if explanation.likelihood:
        names = [column.name for column in explanation.likelihood]
        add("likelihood", "lines", "Likelihood\nlog, bits", 70, names[:1])
        add("entropy", "lines", "Entropy\n(bits)", 46, names[1:])
    if explanation.expected is not None:
        columns = [f"expected_{letter}" for letter in explanation.alphabet]
        add("expected", "logo", "Expected\n(bits)", 70, columns)
    add("patches", "patches", "Patches", 30, ())
    add("boundary", "lines", "Boundary\nscore", 46, ["boundary_score"])
    if explanation.attention is not None:
        columns = [f"attention_{block}" for block in explanation.attention.blocks]
        add("attention", "lines", "Attention\nreceived", 56, columns, block=True)
        add("arcs", "arcs", "Attention\nlooks at", 64, ())
    return found


def _lanes(explanation: Explanation) -> tuple[list[dict[str, Any]], list[str]]:
    """Give every feature a line of its own where they overlap."""
    ends: list[int] = []
    placed: list[dict[str, Any]] = []
    left_out = 0
    ordered = sorted(explanation.features, key=lambda one: (one.start, -one.end))
    for one in ordered:
        lane = next((n for n, end in enumerate(ends) if end <= one.start), len(ends))
        if lane >= MAX_LANES or len(placed) >= MAX_FEATURES:
            left_out += 1
            continue
        ends[lane : lane + 1] = [one.end]
        placed.append(
            {
                "start": max(0, one.start - explanation.start),
                "end": min(len(explanation.sequence), one.end - explanation.start),
                "strand": one.strand,
                "kind": one.kind,
                "name": shorten(_feature_name(one), 60),
                "lane": lane,
            }
        )
    remarks = [f"{left_out:,} overlapping features are not drawn."] if left_out else []
    return placed, remarks


def _feature_name(feature: Feature) -> str:
    known = ("gene", "gene_name", "Name", "locus_tag", "product", "ID")
    name = next((feature.attributes[key] for key in known if feature.attributes.get(key)), "")
    return f"{feature.kind} {name}".strip()


def _description(explanation: Explanation) -> str:
    """What a reader who cannot see the tracks should know."""
    text = (
        f"Tracks of {len(explanation.sequence):,} letters, {explanation.place}. "
        f"{explanation.verdict}"
    )
    best = _strongest(explanation)[:3]
    if best:
        places = ", ".join(f"{one.letter} at {one.position:,}" for one in best)
        text += f" The greatest attribution lies on {places}."
    return text


def _strongest(explanation: Explanation) -> list[StrongBase]:
    attribution = explanation.attribution
    if attribution is None:
        return []
    scores = attribution.scores.double().cpu().numpy()
    effects = attribution.effects.double().cpu().numpy()
    numbers = explanation.patch_numbers
    found = []
    for base in np.argsort(-np.abs(scores), kind="stable")[:STRONGEST].tolist():
        column = int(np.abs(effects[base]).argmax())
        found.append(
            StrongBase(
                explanation.start + base + 1,
                explanation.sequence[base],
                int(numbers[base]),
                float(scores[base]),
                explanation.alphabet[column],
                float(effects[base, column]),
            )
        )
    return found


def _focus_rows(explanation: Explanation) -> list[tuple[str, int, Enrichment]]:
    kinds = dict.fromkeys(kind for one in explanation.focus.values() for kind in one)
    return [
        (kind, block, found[kind])
        for kind in kinds
        for block, found in explanation.focus.items()
        if kind in found
    ]
