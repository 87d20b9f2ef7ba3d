"""P9: a training that is killed and goes on ends with the weights of one that was left alone."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from hyena_glt.config import HyenaGLTConfig
from hyena_glt.data.augmentation import Mutate
from hyena_glt.data.loaders import create_genomic_dataloaders
from hyena_glt.errors import ConfigError, DataError, TrainingError, TrainingStopped
from hyena_glt.tokenizers import DNATokenizer
from hyena_glt.training import engine as engine_module
from hyena_glt.training.callbacks import Callback
from hyena_glt.training.checkpoints import newest
from hyena_glt.training.pipeline import EnhancedTrainingPipeline
from hyena_glt.training.settings import TrainingSettings

TOKENIZER = DNATokenizer(kmer_size=1)
NO_DROPOUT = {"dropout": 0.0, "head_dropout": 0.0}
TINY = {
    "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "local_hidden_size": 32, "dropout": 0.1,
}  # fmt: skip
OBJECTIVES = (
    "classification", "multi_label", "regression", "token_classification", "clm", "mlm",
)  # fmt: skip
SIX_STEPS = {"num_epochs": 2, "checkpoint_every": 1}  # three to an epoch


def items(objective, count=24, seed=0):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        letters = "".join(random.choice(list("ACGT"), 16 + 4 * (number % 3)))
        label = {
            "classification": number % 2, "multi_label": [number % 2, number % 3 % 2],
            "regression": letters.count("G") / 10,
            "token_classification": [int(letter in "CG") for letter in letters],
        }.get(objective)  # fmt: skip
        rows.append({"id": f"s{number}", "sequence": letters})
        if label is not None:
            rows[-1]["labels"] = label
    return rows


def parts(objective, **options):
    language = objective in {"clm", "mlm"}
    options = {"objective": objective, **options} if language else options
    return create_genomic_dataloaders(
        items(objective), items(objective, 8, 1), TOKENIZER, 8,
        task="language_modeling" if language else objective, **options,
    )  # fmt: skip


def pipeline(objective="classification", model=None, callbacks=(), **settings):
    config = HyenaGLTConfig.for_tokenizer(
        TOKENIZER, **TINY | (model or {}), causal=objective == "clm"
    )
    strand = "forward" if objective in {"clm", "mlm"} else "both"
    settings = TrainingSettings(**SIX_STEPS | {"strand": strand, "precision": "fp32"} | settings)
    return EnhancedTrainingPipeline(config, settings, progress=False, callbacks=callbacks)


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


def losses(trainer):
    return [event["loss"] for event in trainer.log.events if event["event"] == "step"]


class Dies(Callback):
    """Ends the process, as far as the training can tell, after a step."""

    def __init__(self, after):
        self.after = after

    def on_step(self, step, figures):
        if step == self.after:
            raise KeyboardInterrupt


def train(trainer, loaders, folder=None):
    return trainer.train(loaders["train"], loaders["val"], checkpoints=folder)


def check_killed_and_resumed(objective, steps, folder, workers=0):
    """Die after each of the steps in turn, go on each time, and compare with a run left alone."""
    options = {"augment": Mutate(0.05)} if objective == "classification" else {}
    whole = pipeline(objective)
    expected = train(whole, parts(objective, **options))
    for after in steps:
        torch.rand(after)  # the caller's random state must not matter
        with pytest.raises(KeyboardInterrupt):
            train(
                pipeline(objective, callbacks=[Dies(after)]),
                parts(objective, num_workers=workers, **options), folder,
            )  # fmt: skip
    resumed = pipeline(objective)
    result = train(resumed, parts(objective, num_workers=workers, **options), folder)
    assert same(weights(resumed), weights(whole))
    assert result.best_epoch == expected.best_epoch
    assert result.steps == expected.steps == 6
    assert result.validation.metrics == expected.validation.metrics
    assert losses(resumed) == losses(whole)[steps[-1] - 1 :]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_run_that_dies_and_goes_on_is_one_that_did_not(objective, tmp_path):
    check_killed_and_resumed(objective, [2, 5], tmp_path)


@pytest.mark.parametrize("objective", ["classification", "mlm"])
def test_workers_change_nothing(objective, tmp_path):
    check_killed_and_resumed(objective, [4], tmp_path, workers=2)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("draw", range(5))
def test_death_at_any_step(objective, workers, draw, tmp_path):
    random = np.random.default_rng((OBJECTIVES.index(objective), workers, draw))
    check_killed_and_resumed(objective, [int(random.integers(1, 6))], tmp_path, workers)


def test_a_notice_saves_and_stops_and_the_run_goes_on(tmp_path):
    class Notice(Callback):
        def on_step(self, step, figures):
            if step == 4:
                os.kill(os.getpid(), signal.SIGTERM)

        def on_end(self, status):
            ends.append(status)

    ends = []
    whole = pipeline(checkpoint_every=100)
    train(whole, parts("classification"))
    before = signal.getsignal(signal.SIGTERM)
    stopped = pipeline(checkpoint_every=100, callbacks=[Notice()])
    with pytest.raises(TrainingStopped, match="stopped after step 4 of 6"):
        train(stopped, parts("classification"), tmp_path)
    assert ends == ["stopped"]
    assert signal.getsignal(signal.SIGTERM) == before
    assert newest(tmp_path).name == "step-000000004.safetensors"
    resumed = pipeline(checkpoint_every=100)
    train(resumed, parts("classification"), tmp_path)
    assert same(weights(resumed), weights(whole))


def test_ctrl_c_is_no_failure():
    ends = []

    class Person(Callback):
        def on_step(self, step, figures):
            raise KeyboardInterrupt

        def on_end(self, status):
            ends.append(status)

    with pytest.raises(KeyboardInterrupt):
        train(pipeline(callbacks=[Person()]), parts("classification"))
    assert ends == ["stopped"]


def test_early_stopping_goes_on_alike(tmp_path):
    settings = {"num_epochs": 9, "patience": 2, "learning_rate": 1e-12}
    whole = pipeline(**settings)
    expected = train(whole, parts("classification"), tmp_path)
    assert expected.steps < 27
    again = pipeline(**settings)
    assert train(again, parts("classification"), tmp_path).steps == expected.steps
    assert losses(again) == []
    assert same(weights(again), weights(whole))


def test_a_loss_that_is_no_number_names_its_sequences_and_keeps_the_checkpoint(tmp_path):
    class Breaks(Callback):
        def on_start(self, total_steps, step=0, model=None):
            self.model = model

        def on_step(self, step, figures):
            if step == 4:
                with torch.no_grad():
                    self.model.classifier.out.weight.fill_(float("nan"))

    breaks = Breaks()
    loaders = parts("classification")
    with pytest.raises(
        TrainingError, match=r"^step 5: the loss is nan; .*; the batch was "
    ) as told:
        train(pipeline(callbacks=[breaks], checkpoint_every=3), loaders, tmp_path)
    rows = loaders["train"].batch_sampler
    rows.set_epoch(1)
    assert str(told.value).endswith(", ".join(f"s{row}" for row in list(rows)[1]))
    assert newest(tmp_path).name == "step-000000003.safetensors"


def test_a_gradient_that_is_no_number_moves_no_weight(tmp_path, monkeypatch):
    def broken(trained, *args, **kwargs):
        trained.model.model.final_norm.weight.register_hook(lambda grad: grad * float("inf"))
        return take_step(trained, *args, **kwargs)

    take_step = engine_module.take_step
    monkeypatch.setattr(engine_module, "take_step", broken)
    with pytest.raises(TrainingError, match="step 1: the norm of the gradient is"):
        train(pipeline(), parts("classification"), tmp_path)
    assert newest(tmp_path) is None


def test_other_data_are_refused(tmp_path):
    train(pipeline(), parts("classification"), tmp_path)
    other = create_genomic_dataloaders(
        items("classification")[:-1], items("classification", 8, 1), TOKENIZER, 8
    )
    with pytest.raises(DataError, match=r"other data: 24 sequences .* now there are 23 sequences"):
        train(pipeline(), other, tmp_path)
    with pytest.raises(ConfigError, match="checkpoint is of another model"):
        train(pipeline(model={"hidden_size": 64}), parts("classification"), tmp_path)


@pytest.mark.parametrize("objective", ["classification", "token_classification", "clm"])
def test_a_batch_in_parts_teaches_what_the_whole_one_teaches(objective):
    # Patches of a fixed length: a threshold that follows the data would be that of the parts.
    model = {**NO_DROPOUT, "boundary_scorer": "fixed"}
    runs = [pipeline(objective, model, gradient_accumulation=count) for count in (1, 3)]
    for trainer in runs:
        train(trainer, parts(objective))
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), rel=1e-4)


def test_parts_with_a_threshold_that_follows_are_close():
    runs = [pipeline("clm", {"dropout": 0.0}, gradient_accumulation=k) for k in (1, 2)]
    for trainer in runs:
        train(trainer, parts("clm"))
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), rel=0.02)
    updates = "model.initial_merger.updates"
    assert int(weights(runs[0])[updates]) == int(weights(runs[1])[updates])


def test_gradient_checkpointing_changes_no_loss():
    runs = [pipeline(model={**NO_DROPOUT, "gradient_checkpointing": on}) for on in (False, True)]
    for trainer in runs:
        train(trainer, parts("classification"))
    assert losses(runs[1]) == pytest.approx(losses(runs[0]), rel=1e-5)


@pytest.mark.slow
def test_a_compiled_model_has_the_same_loss():
    # In a process of its own: the compiler cannot look through this suite's shape checks.
    program = (
        "import json, runpy, sys\n"
        "own = runpy.run_path(sys.argv[1])\n"
        "found = []\n"
        "for on in (False, True):\n"
        "    trainer = own['pipeline'](model=own['NO_DROPOUT'], compile=on)\n"
        "    own['train'](trainer, own['parts']('classification'))\n"
        "    found.append((own['losses'](trainer), list(trainer.model.state_dict())))\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, __file__], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (plain, names), (compiled, same_names) = json.loads(done.stdout.splitlines()[-1])
    assert compiled == pytest.approx(plain, rel=1e-4)
    assert same_names == names


def test_what_a_dead_run_left_half_written_is_removed(tmp_path):
    left = tmp_path / ".0a1b2c3d.step-000000003.safetensors"
    left.write_bytes(b"half")
    train(pipeline(num_epochs=1), parts("classification"), tmp_path)
    assert [path.name[:5] for path in sorted(tmp_path.iterdir())] == ["step-", "step-"]


def test_the_best_model_before_stays_while_a_better_one_is_written(tmp_path, monkeypatch):
    trainer, loaders = pipeline(), parts("classification")
    trainer.train(loaders["train"], loaders["val"], checkpoint=tmp_path / "best")
    before = (tmp_path / "best" / "model.safetensors").read_bytes()

    def dies(model, folder, **options):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(type(trainer.model), "save_pretrained", dies)
    with pytest.raises(KeyboardInterrupt):
        pipeline().train(loaders["train"], loaders["val"], checkpoint=tmp_path / "best")
    assert (tmp_path / "best" / "model.safetensors").read_bytes() == before
