import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.errors import DataError, OutputError
from hyena_glt.interpretability.compression import compute_compression_statistics
from hyena_glt.interpretability.compression_figure import visualize_compression_patterns
from hyena_glt.model import HyenaGLT
from hyena_glt.tokenizers import DNATokenizer

SEQUENCES = ["ACGTTAGGCATCGACTTGCAAGCTAGCTTATAAA", "TTAGGGTTAGGG", "ACG"]


def made(**settings):
    torch.manual_seed(0)
    return HyenaGLT(
        HyenaGLTConfig(
            **{"genomic_vocab_size": 12, "hidden_size": 32, "num_layers": 1,
               "num_attention_heads": 4, "merge_threshold": 0.02, **settings}
        )
    )  # fmt: skip


def test_every_sequence_is_drawn_with_its_patches():
    model = made().train()
    figure = visualize_compression_patterns(model, SEQUENCES)
    assert model.training
    statistics = compute_compression_statistics(model, SEQUENCES)
    for number, (letters, one) in enumerate(zip(SEQUENCES, statistics.sequences, strict=True)):
        panel = figure.axes[number]
        (strip,) = panel.collections
        assert strip.get_array().ravel().tolist() == one.lengths
        assert panel.get_xlim() == (0, len(letters))
        (line,) = next(
            axes.lines for axes in figure.axes
            if axes is not panel and axes.bbox.bounds == panel.bbox.bounds and axes.lines
        )  # fmt: skip
        assert line.get_ydata() == pytest.approx(one.scores)
    histogram = figure.axes[len(SEQUENCES)]
    assert sum(bar.get_height() for bar in histogram.patches) == sum(
        len(one.lengths) for one in statistics.sequences
    )


def test_many_sequences_and_long_tokens(tmp_path):
    tokenizer = DNATokenizer(kmer_size=3)
    model = made(genomic_vocab_size=len(tokenizer), kmer_size=3)
    path = tmp_path / "patches.svg"
    figure = visualize_compression_patterns(model, ["ACGTTAGGC"] * 20, path, tokenizer=tokenizer)
    strips = [axes for axes in figure.axes if axes.get_title(loc="right").endswith("per patch")]
    assert len(strips) == 12
    assert strips[0].get_xlim() == (0, 9)
    assert path.read_bytes().startswith(b"<?xml")


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(DataError, match="no sequence"):
        visualize_compression_patterns(made(), [])
    with pytest.raises(OutputError, match=r"cannot be written as \.docx"):
        visualize_compression_patterns(made(), SEQUENCES, tmp_path / "a.docx")
    assert list(tmp_path.iterdir()) == []
