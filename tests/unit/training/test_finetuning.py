import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, DataError
from hyena_glt.model import (
    HyenaGLT,
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
)
from hyena_glt.tokenizers import DNATokenizer, GenomicTokenizer, RNATokenizer
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.finetuning import (
    FINE_TUNING_RATE,
    StartingPoint,
    fine_tuned,
    starting_point,
)
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import RunSettings, TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "max_position_embeddings": 256,
}  # fmt: skip


def save(folder, kind, tokenizer=TOKENIZER, **fields):
    """A model whose buffers have moved, as those of a trained one have."""
    config = HyenaGLTConfig.for_tokenizer(tokenizer, **{**TINY, **fields})
    model = kind(config).train()
    if tokenizer is TOKENIZER:
        model(torch.randint(8, 12, (4, 60)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("causal")
    return folder, save(folder, HyenaGLTForCausalLM, target_compression=4.0, dropout=0.0)


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked")
    return folder, save(folder, HyenaGLTForMaskedLM, causal=False, target_compression=4.0)


def items(count, length=40, seed=0, task="classification"):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        letters = "".join(random.choice(list("ACGT"), length))
        label = {"classification": number % 3, "regression": letters.count("G") / length,
                 "token_classification": [int(c == "G") for c in letters]}.get(task)  # fmt: skip
        rows.append({"sequence": letters} | ({} if label is None else {"labels": label}))
    return rows


def loaders(task="classification", tokenizer=TOKENIZER, **options):
    return create_genomic_dataloaders(
        items(32, task=task), items(16, seed=1, task=task), tokenizer, 16, task=task, **options
    )


def trunk(model):
    return {name: value.clone() for name, value in model.model.state_dict().items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("source", ["causal", "masked"])
@pytest.mark.parametrize(
    ("task", "face"),
    [
        ("classification", HyenaGLTForSequenceClassification),
        ("regression", HyenaGLTForSequenceClassification),
        ("token_classification", HyenaGLTForTokenClassification),
    ],
)
def test_the_pretrained_trunk_is_in_the_new_model(request, source, task, face):
    folder, pretrained = request.getfixturevalue(source)
    trainer = EnhancedTrainingPipeline.from_pretrained(
        folder, TrainingSettings(num_epochs=1, learning_rate=1e-30, weight_decay=0), progress=False
    )
    started = []
    run = trainer._run
    trainer._run = lambda *a: (started.append(trunk(trainer.model)), run(*a))[1]
    parts = loaders(task)
    trainer.train(parts["train"], parts["val"])
    assert type(trainer.model) is face
    assert_equal(started[0], trunk(pretrained))
    notes = [event["message"] for event in trainer.log.events if event["event"] == "note"]
    said = next(note for note in notes if note.startswith("start: "))
    count = sum(weight.numel() for weight in pretrained.model.parameters())
    assert f"{type(pretrained).__name__} in {folder}: {count:,} weights of its trunk; new: " in said
    assert ("is causal" in " ".join(notes)) == (source == "causal")
    assert trainer.model.config.causal == (source == "causal")


def test_a_language_model_goes_on_as_one(causal):
    folder, pretrained = causal
    trainer = EnhancedTrainingPipeline.from_pretrained(
        folder, TrainingSettings(num_epochs=1), progress=False
    )
    parts = loaders("language_modeling")
    trainer.train(parts["train"], parts["val"])
    assert type(trainer.model) is HyenaGLTForCausalLM
    moved = [n for n, v in trunk(pretrained).items() if not torch.equal(v, trunk(trainer.model)[n])]
    assert "layers.0.mlp.up.weight" in moved


def test_a_fine_tuning_can_be_watched(causal):
    heard = []

    class Ear(Callback):
        def on_step(self, step, figures):
            heard.append(step)

    trainer = EnhancedTrainingPipeline.from_pretrained(
        causal[0], TrainingSettings(num_epochs=1), progress=False, callbacks=[Ear()]
    )
    trainer.train(loaders("classification")["train"])
    assert heard == list(range(1, len(heard) + 1))
    assert heard


def test_the_head_of_another_task_stays_behind(tmp_path):
    config = HyenaGLTConfig.for_tokenizer(
        TOKENIZER, **TINY, causal=False, num_labels=3, reverse_complement="average",
        id2label={0: "a", 1: "b", 2: "c"},
    )  # fmt: skip
    first = HyenaGLTForSequenceClassification(config)
    first.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    start = StartingPoint(tmp_path)
    again = start.config_for({})
    assert again.reverse_complement == "none"
    assert set(again.id2label.values()).isdisjoint("abc")
    again.num_labels = 3
    again.reverse_complement = "average"
    torch.manual_seed(1)
    second = HyenaGLTForSequenceClassification(again)
    head = copy.deepcopy(second.classifier.state_dict())
    said = start.load_into(second)
    assert_equal(trunk(first), trunk(second))
    assert_equal(head, second.classifier.state_dict())
    assert not torch.equal(head["out.weight"], first.classifier.out.weight)
    assert said.endswith("; left behind: classifier, kmer_readout")


def test_a_bare_model_can_be_a_start(tmp_path):
    bare = save(tmp_path, HyenaGLT, causal=False)
    start = StartingPoint(tmp_path)
    model = HyenaGLTForTokenClassification(start.config_for({}))
    start.load_into(model)
    assert_equal(dict(bare.state_dict()), trunk(model))


def test_half_precision_weights_become_whole(tmp_path, causal):
    _, pretrained = causal
    half = copy.deepcopy(pretrained).bfloat16()
    half.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    start = StartingPoint(tmp_path)
    model = HyenaGLTForSequenceClassification(start.config_for({}))
    start.load_into(model)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert torch.equal(
        model.model.layers[0].mlp.up.weight, half.model.layers[0].mlp.up.weight.float()
    )


def test_settings_that_no_weight_depends_on_are_free(causal):
    folder, pretrained = causal
    start = StartingPoint(folder)
    config = start.config_for(
        {"dropout": 0.3, "target_compression": 6.0, "max_position_embeddings": 512,
         "hidden_size": 32, "stripe": ["SE", "MR", "LI"]}
    )  # fmt: skip
    assert (config.dropout, config.target_compression) == (0.3, 6.0)
    model = HyenaGLTForSequenceClassification(config)
    start.load_into(model)
    assert_equal(trunk(model), trunk(pretrained))
    assert start.config.dropout == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 64}, "model.hidden_size=64: the checkpoint .* has 32; leave the setting"),
        ({"causal": False}, "model.causal=False: the checkpoint .* has True"),
        ({"stripe": ["LI"]}, r"model.stripe=\['LI'\]"),
        ({"merge_threshold": 1.0}, "model.merge_threshold=1.0"),
        ({"num_layer": 2}, "no setting 'model.num_layer'; did you mean model.num_layers?"),
        ({"dropout": 2.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_settings_that_contradict_the_checkpoint_are_refused(causal, changes, message):
    with pytest.raises(ConfigError, match=message):
        StartingPoint(causal[0]).config_for(changes)


def test_data_settings_come_from_the_checkpoint(tmp_path, causal):
    settings = RunSettings(pretrained=str(causal[0]))
    start = starting_point(settings)
    assert start is not None
    assert (settings.data.molecule, settings.data.kmer_size) == ("dna", 1)

    tokenizer = RNATokenizer(kmer_size=2, ambiguous="error")
    save(tmp_path, HyenaGLTForCausalLM, tokenizer)
    settings = RunSettings(pretrained=str(tmp_path))
    starting_point(settings)
    data = settings.data
    assert (data.molecule, data.kmer_size, data.ambiguous) == ("rna", 2, "error")
    again = RunSettings.model_validate(settings.model_dump(exclude={"preset"}))
    assert starting_point(again) is not None
    assert again.model_dump() == settings.model_dump()
    settings = RunSettings(pretrained=str(tmp_path), data={"ambiguous": "n"})
    start = starting_point(settings)
    assert start is not None
    assert (start.tokenizer.ambiguous, settings.data.ambiguous) == ("n", "n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kmer_size": 3}, "data.kmer_size=3: the checkpoint .* was trained with 1; leave"),
        ({"molecule": "rna"}, "data.molecule=rna: the checkpoint .* was trained with dna"),
    ],
)
def test_data_settings_that_contradict_the_checkpoint_are_refused(causal, data, message):
    with pytest.raises(ConfigError, match=message):
        starting_point(RunSettings(pretrained=str(causal[0]), data=data))


def test_a_joint_checkpoint_may_go_on_with_one_molecule(tmp_path):
    save(tmp_path, HyenaGLTForMaskedLM, GenomicTokenizer(), causal=False)
    settings = RunSettings(pretrained=str(tmp_path), data={"molecule": "rna", "ambiguous": "error"})
    start = starting_point(settings)
    assert start is not None
    assert start.tokenizer.modality == settings.data.molecule == "rna"
    assert start.tokenizer.ambiguous == "error"
    assert "several molecules" in str(start.one_way)
    trainer = EnhancedTrainingPipeline(
        start.config_for({}), TrainingSettings(num_epochs=1), start=start, progress=False
    )
    parts = loaders(tokenizer=start.tokenizer)
    assert next(iter(parts["train"]))["modality_ids"].unique().tolist() == [1]
    trainer.train(parts["train"], parts["val"])
    plain = RunSettings(pretrained=str(tmp_path))
    starting_point(plain)
    assert plain.data.molecule == "mixed"


def test_what_needs_or_contradicts_a_checkpoint_is_refused(causal):
    folder = str(causal[0])
    for tree, message in (
        ({"training": {"freeze": "backbone"}}, "training.freeze=backbone needs a checkpoint"),
        ({"training": {"lora_rank": 4}}, "training.lora_rank=4 needs a checkpoint"),
        ({"pretrained": folder, "preset": "small"}, "preset=small: the checkpoint .* decides"),
        ({"pretrained": folder, "tasks": {"a": {}}}, "pretrained=.* is for one task"),
        (
            {"pretrained": folder, "training": {"freeze": "backbone"},
             "model": {"target_compression": 4.0}},
            "model.target_compression has no effect under training.freeze=backbone",
        ),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            starting_point(RunSettings.model_validate(tree))
    assert starting_point(RunSettings()) is None


def test_another_tokenizer_is_refused(causal):
    trainer = EnhancedTrainingPipeline.from_pretrained(causal[0], progress=False)
    parts = loaders(tokenizer=DNATokenizer(kmer_size=2))
    with pytest.raises(
        ConfigError, match=r"training data were read with kmer_size=2, the checkpoint .* with 1"
    ):
        trainer.train(parts["train"], parts["val"])
    with pytest.raises(ConfigError, match=r"tokenizer=RNATokenizer, .* with DNATokenizer"):
        trainer.start.check_tokenizer(RNATokenizer(kmer_size=1))


def test_weights_that_lack_some_or_hold_others_are_refused(tmp_path, causal):
    folder, pretrained = causal
    whole = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up.weight"
    assert name in whole
    for broken, words in (
        ({k: v for k, v in whole.items() if k != name}, r"1 missing \(first: .*layers.1.mlp.up"),
        ({**whole, "model.extra": torch.zeros(1)}, r"1 unexpected \(first: .*extra"),
        ({**whole, name: torch.zeros(3, 3)}, r"1 of another shape \(first: .*layers.1.mlp.up"),
    ):
        pretrained.save_pretrained(tmp_path)
        TOKENIZER.save_pretrained(tmp_path)
        save_file(broken, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ConfigError, match=words):
            StartingPoint(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no config\.json in it"):
        EnhancedTrainingPipeline.from_pretrained(tmp_path)


def test_the_learning_rate_is_smaller_where_all_weights_move_and_none_is_set():
    usual = TrainingSettings().learning_rate
    assert fine_tuned(TrainingSettings()).learning_rate == FINE_TUNING_RATE < usual
    assert fine_tuned(TrainingSettings(learning_rate=usual)).learning_rate == usual
    assert fine_tuned(TrainingSettings(freeze="backbone")).learning_rate == usual
    assert fine_tuned(TrainingSettings(lora_rank=4)).learning_rate == usual


def test_a_causal_or_joint_start_reads_one_strand(causal, masked):
    assert "is causal" in str(StartingPoint(causal[0]).one_way)
    assert StartingPoint(masked[0]).one_way is None
