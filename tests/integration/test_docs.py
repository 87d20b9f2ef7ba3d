"""What the documentation prints is run: Python blocks, commands, settings, tables of fields."""

import contextlib
import dataclasses
import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
PAGES = [page for page in PAGES if not {"_build", "_api"} & set(page.parts)]

# A Python block, and the text block right behind it, which is what it prints.
_PYTHON = re.compile(
    r"^```python\n(.*?)^```\n(?:\n+```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
_BASH = re.compile(r"^```bash\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^\| `(\w+)` \| ([^|\n]+) \| [^|\n]+ \|", re.MULTILINE)


def text_of(page):
    return page.read_text(encoding="utf-8")


def commands_of(page):
    """The lines that call the program, continuation lines joined."""
    for block in _BASH.findall(text_of(page)):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["hyena-glt"]:
                yield words[1:]


def fields_of(page):
    """First and second column of the tables whose first column is one word in code type."""
    return {name: default.strip() for name, default in _FIELD.findall(text_of(ROOT / page))}


def as_written(value):
    value = list(value) if isinstance(value, tuple) else value
    return "none" if value is None else f"`{value}`"


def pages_with(found):
    return pytest.mark.parametrize(
        "page", [page for page in PAGES if found(page)], ids=lambda page: page.name
    )


@pages_with(lambda page: _PYTHON.search(text_of(page)))
def test_python_blocks_run_and_print_what_is_printed(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for number, (code, printed) in enumerate(_PYTHON.findall(text_of(page)), start=1):
        place = f"{page.name}, Python block {number}"
        exec(compile(code, place, "exec"), namespace)
        output = capsys.readouterr().out
        if printed:
            assert output.strip() == printed.strip(), place


@pages_with(lambda page: any(commands_of(page)))
def test_commands_have_these_options_and_settings(page):
    from hyena_glt.cli.main import app
    from hyena_glt.config import HyenaGLTConfig
    from hyena_glt.training.settings import load_pretraining_settings, load_settings

    program = typer.main.get_command(app)
    fields = {field.name for field in dataclasses.fields(HyenaGLTConfig)}
    for words in commands_of(page):
        if words[-1] in {"--help", "--version"}:
            assert len(words) == 1 or words[0] in {*program.commands, "COMMAND"}
            continue
        command, rest = program.commands[words[0]], words[1:]
        while hasattr(command, "commands"):  # a group, such as data
            command, rest = command.commands[rest[0]], rest[1:]
        given = command.make_context(words[0], list(rest)).params
        load = load_pretraining_settings if words[0] == "pretrain" else load_settings
        assert set(load(None, given.get("settings")).model) <= fields


def test_settings_in_the_documentation_are_those_of_the_code():
    from hyena_glt.training.settings import DataSettings, PretrainingSettings, TrainingSettings

    def defaults(*sections):
        return {
            name: as_written(field.get_default(call_default_factory=True))
            for section in sections
            for name, field in section.model_fields.items()
        }

    assert fields_of("docs/cli.md") == defaults(TrainingSettings, DataSettings)
    assert fields_of("docs/pretraining.md") == defaults(PretrainingSettings)


def test_fields_in_the_documentation_are_those_of_the_configuration():
    from hyena_glt.config import HyenaGLTConfig

    own = inspect.get_annotations(HyenaGLTConfig)
    assert fields_of("docs/model.md") == {
        field.name: as_written(field.default)
        for field in dataclasses.fields(HyenaGLTConfig)
        if field.name in own
    }


def test_presets_in_the_documentation_have_these_sizes():
    import torch

    from hyena_glt import DNATokenizer, HyenaGLTConfig, HyenaGLTForSequenceClassification
    from hyena_glt.cli.experiment import MODEL_DEFAULTS
    from hyena_glt.config import PRESETS

    page = text_of(ROOT / "docs/cli.md")
    for name, preset in PRESETS.items():
        fields = {k: v for k, v in preset.items() if k != "genomic_vocab_size"}
        config = HyenaGLTConfig.for_tokenizer(DNATokenizer(kmer_size=1), **fields, **MODEL_DEFAULTS)
        with torch.device("meta"):
            millions = HyenaGLTForSequenceClassification(config).num_parameters() / 1e6
        sizes = config.hidden_size, config.num_layers, config.max_position_embeddings
        row = " | ".join([name, *(f"{size:,}" for size in sizes), f"{millions:.1f} million"])
        assert f"| {row} |" in page
    for name, value in MODEL_DEFAULTS.items():
        assert f"`{name}={str(value).lower()}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", text_of(page)):
        assert (page.parent / target).is_file(), target


def test_what_pretraining_sets_is_what_the_documentation_says():
    from hyena_glt.cli.pretraining import _CAUSAL_POSITIONS, _MODEL_DEFAULTS

    page = text_of(ROOT / "docs/pretraining.md")
    fields = {**_MODEL_DEFAULTS, "max_position_embeddings": _CAUSAL_POSITIONS}
    for name, value in fields.items():
        assert f"`{name}={value}`" in page


def test_a_wrong_option_would_be_seen():
    from hyena_glt.cli.main import app

    command = typer.main.get_command(app).commands["train"]
    with contextlib.suppress(SystemExit), pytest.raises(Exception, match="No such option"):
        command.make_context("train", ["--output", "x", "--epoch", "3"])
