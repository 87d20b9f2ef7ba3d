"""Statistics of sequences against numbers worked out by hand."""

import json

import pytest
from rich.console import Console

from hyena_glt.data.statistics import compute_statistics, plot_statistics, statistics_table
from hyena_glt.errors import DataError, OutputError
from hyena_glt.io.records import LabelledRecord, SequenceRecord


def labelled(*rows):
    return [LabelledRecord(f"s{i}", *row) for i, row in enumerate(rows)]


TRAIN = labelled(
    ("ACGTTTGACA", "a"),
    ("acgtttgaca", "b"),  # a copy that contradicts
    ("TGTCAAACGT", "a"),  # the other strand
    ("GGGGCCCCAAGGTT", "b"),
    ("NNNNAT", "a"),
)


def printed(table):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(table)
    console.file.close()
    return console.export_text()


def test_numbers_of_one_set():
    part = compute_statistics({"train": TRAIN}).parts["train"]
    assert (part.count, part.letters) == (5, 50)
    assert part.length == (6, 10, 10, 10, 14)
    assert part.n50 == 10  # 14 + 10 letters are less than half, 14 + 10 + 10 more
    assert part.gc == pytest.approx(22 / 46)
    assert part.unknown == pytest.approx(4 / 50)
    assert part.composition["N"] == 4
    assert sum(part.composition.values()) == 50
    assert part.classes == {"a": 3, "b": 2}
    assert (part.copies, part.reverse_copies, part.conflicts) == (1, 1, 3)


def test_rna_and_protein_have_no_other_strand():
    for molecule in ("rna", "protein"):
        part = compute_statistics({"all": TRAIN}, molecule=molecule).parts["all"]
        assert (part.copies, part.reverse_copies, part.conflicts) == (1, 0, 2)
    assert part.gc is None
    assert len(part.gc_fractions) == 0


def test_thymine_and_uracil_are_one_letter_of_rna():
    records = [SequenceRecord("one", "ACGU"), SequenceRecord("two", "ACGT")]
    assert compute_statistics({"all": records}, molecule="rna").parts["all"].copies == 1


def test_values_and_several_labels():
    values = labelled(("ACGT", 1.0), ("ACGA", 3.0), ("TTTA", 2.0))
    part = compute_statistics({"all": values}).parts["all"]
    assert part.classes == {}
    assert part.values == (1, 1.5, 2, 2.5, 3)
    several = labelled(("ACGT", (1, 0)), ("ACGA", (1, 1)))
    assert compute_statistics({"all": several}).parts["all"].classes == {"label 1": 2, "label 2": 1}


def test_leaks_between_sets_are_counted_and_named():
    test = labelled(("ACGTTTGACA", "a"), ("CATCATCGGATTA", "b"))
    statistics = compute_statistics({"train": TRAIN, "test": test})
    leak = statistics.leakage["train", "test"]
    assert (leak.exact, leak.near) == (1, 0)
    assert statistics.examples["train", "test"] == [("s0", "s0", 1.0)]
    text = printed(statistics_table(statistics))
    assert "copies of train" in text
    assert "1 (50.0%)" in text
    as_json = json.loads(json.dumps(statistics.as_dict()))
    assert as_json["parts"]["train"]["length"]["median"] == 10
    assert as_json["leakage"] == [
        {
            "train": "train", "test": "test", "exact": 1, "near": 0, "of": 2,
            "examples": [{"test_id": "s0", "train_id": "s0", "identity": 1.0}],
        }
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["plot.png", "plot.svg"])
def test_the_plot_is_written(tmp_path, name):
    statistics = compute_statistics({"train": TRAIN, "test": TRAIN[:2]})
    figure = plot_statistics(statistics, tmp_path / name)
    assert [axes.get_title() for axes in figure.axes] == ["Length", "GC", "Classes"]
    start = (tmp_path / name).read_bytes()[:60]
    assert start.startswith(b"\x89PNG") if name.endswith("png") else b"<?xml" in start
    bars = [bar.get_height() for bar in figure.axes[2].patches]
    assert bars == pytest.approx([0.6, 0.4, 0.5, 0.5])


def test_very_different_lengths_get_a_logarithmic_axis():
    records = [SequenceRecord("short", "ACGT"), SequenceRecord("long", "ACGT" * 500)]
    figure = plot_statistics(compute_statistics({"all": records}))
    assert figure.axes[0].get_xscale() == "log"
    assert sum(p.get_path().vertices[:, 1].max() for p in figure.axes[0].patches) == 0.5


def test_unknown_picture_formats_are_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot be drawn"):
        plot_statistics(compute_statistics({"train": TRAIN}), tmp_path / "plot.xyz")
    assert not list(tmp_path.iterdir())


def test_an_empty_set_is_refused():
    with pytest.raises(DataError, match="test: there is no sequence"):
        compute_statistics({"train": TRAIN, "test": []})
