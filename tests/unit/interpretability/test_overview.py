import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError, OutputError
from hyena_glt.interpretability.overview import visualize_model_behavior
from hyena_glt.model import HyenaGLT

SEQUENCES = ["ACGTTAGGCATCGACTTGCAAGCTAGCTTATAAA", "TTAGGGTTAGGG", "ACG"]


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=2, num_attention_heads=4,
        merge_threshold=0.02,
    )  # fmt: skip
    return HyenaGLT(config).train()


def test_a_picture_is_written_whole(model, tmp_path):
    path = tmp_path / "new" / "behaviour.png"
    visualize_model_behavior(model, SEQUENCES, save_path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 5_000
    assert [file.name for file in path.parent.iterdir()] == ["behaviour.png"]
    assert model.training


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.svg", b"<?xml"), ("a.PDF", b"%PDF"), ("without_ending", b"\x89PNG")],
)
def test_the_ending_decides_the_format(model, tmp_path, name, start):
    visualize_model_behavior(model, SEQUENCES[:1], str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(start)


def test_the_panels_show_what_was_measured(model):
    figure = visualize_model_behavior(model, SEQUENCES)
    where, histogram, score, matrix = figure.axes[:4]
    assert [axis.get_title() for axis in (where, score)] == [
        "Patches",
        "Boundary score, sequence 0",
    ]
    assert histogram.get_title().endswith("nucleotides per patch")
    bars = sum(bar.get_height() for bar in histogram.patches)
    spans = sum(len(rows.get_paths()) for rows in where.collections)
    assert bars == spans
    covered = sum(
        bar.get_height() * (bar.get_x() + bar.get_width() / 2) for bar in histogram.patches
    )
    assert covered == pytest.approx(sum(map(len, SEQUENCES)))
    assert len(where.collections) == 3
    assert len(score.lines[0].get_ydata()) == len(SEQUENCES[0])
    assert matrix.get_title() == "Implicit attention, block 1"


def test_a_model_of_plain_attention_has_a_picture_too(tmp_path):
    config = HyenaGLTConfig(
        genomic_vocab_size=12, hidden_size=32, num_layers=1, num_attention_heads=4,
        stripe=("attention",),
    )  # fmt: skip
    figure = visualize_model_behavior(HyenaGLT(config), SEQUENCES[:1], tmp_path / "a.png")
    assert not figure.axes[3].axison


def test_the_ending_must_name_a_format(model, tmp_path):
    path = tmp_path / "behaviour.docx"
    with pytest.raises(OutputError, match=r"behaviour\.docx: pictures cannot be written as \.docx"):
        visualize_model_behavior(model, SEQUENCES[:1], path)
    assert list(tmp_path.iterdir()) == []


def test_bad_places_are_refused_and_left_alone(model, tmp_path):
    folder = tmp_path / "folder.png"
    folder.mkdir()
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (folder, file / "a.png"):
        with pytest.raises(OutputError):
            visualize_model_behavior(model, SEQUENCES[:1], path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder.png"]
    assert list(folder.iterdir()) == []
    assert file.read_text() == "mine"


def test_a_failure_keeps_the_old_picture(model, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(self, target, **_):
        target.write_bytes(b"half")
        raise RuntimeError("out of ink")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(RuntimeError, match="out of ink"):
        visualize_model_behavior(model, SEQUENCES[:1], path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_there_must_be_a_sequence(model):
    with pytest.raises(DataError, match="there is no sequence: give at least one"):
        visualize_model_behavior(model, [])
    with pytest.raises(DataError, match="the sequence is empty"):
        visualize_model_behavior(model, ["ACGT", ""])
    assert model.training
