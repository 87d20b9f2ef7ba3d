import pytest
import torch
from torch import nn

from hyena_glt.errors import OutputError
from hyena_glt.training.checkpoints import (
    Best,
    Checkpoint,
    load_checkpoint,
    newest,
    save_checkpoint,
)
from hyena_glt.training.optimization import WeightAverage, make_optimizer
from hyena_glt.training.settings import TrainingSettings
from hyena_glt.training.step import state_of


class Trained:
    """A layer with buffer, optimiser and average that has made a few steps."""

    def __init__(self, steps):
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.optimizer = make_optimizer(self.model, TrainingSettings())
        self.average = WeightAverage(self.model, 0.9)
        for _ in range(steps):
            self.step()

    def step(self):
        self.optimizer.zero_grad()
        self.model(torch.randn(5, 3)).square().sum().backward()
        self.optimizer.step()
        self.average.update()

    def parts(self):
        return self.model, self.optimizer, self.average

    def tensors(self):
        return [*self.model.state_dict().values(), *self.average.average]


def saved(folder, trained, step=7, best=None):
    best = best or Best(5, 1.25, state_of(trained.model))
    return save_checkpoint(folder, Checkpoint(step, 12.5, best), *trained.parts())


def test_all_of_it_comes_back_and_goes_on_alike(tmp_path):
    first = Trained(4)
    best = Best(2, 1.25, {name: value + 1 for name, value in first.model.state_dict().items()})
    path = saved(tmp_path, first, best=best)
    second = Trained(1)
    at = load_checkpoint(path, *second.parts())
    assert (at.step, at.seconds, at.best.step, at.best.bits) == (7, 12.5, 2, 1.25)
    assert at.best.state.keys() == best.state.keys()
    assert all(torch.equal(at.best.state[name], value) for name, value in best.state.items())
    assert second.average.steps == 4
    # The random state came back too, so both see the same data from here.
    for _ in range(3):
        second.step()
    load_checkpoint(path, *first.parts())
    for _ in range(3):
        first.step()
    for ours, theirs in zip(first.tensors(), second.tensors(), strict=True):
        assert torch.equal(ours, theirs)


def test_two_are_kept_and_the_newest_is_found(tmp_path):
    trained = Trained(1)
    folder = tmp_path / "checkpoints"
    assert newest(folder) is None
    for step in (5, 50, 500):
        saved(folder, trained, step)
    assert sorted(path.name for path in folder.iterdir()) == [
        "step-000000050.safetensors", "step-000000500.safetensors",
    ]  # fmt: skip
    assert newest(folder).name == "step-000000500.safetensors"


@pytest.mark.parametrize("size", [0, 5, 100, -10])
def test_a_damaged_file_is_passed_over(tmp_path, size):
    trained = Trained(1)
    whole = saved(tmp_path, trained, 5)
    cut = saved(tmp_path, trained, 6)
    cut.write_bytes(cut.read_bytes()[:size])
    assert newest(tmp_path) == whole
    whole.unlink()
    assert newest(tmp_path) is None


def test_nothing_but_tensors_and_json_is_written(tmp_path):
    path = saved(tmp_path, Trained(1))
    content = path.read_bytes()
    assert int.from_bytes(content[:8], "little") < len(content)
    assert content[8:9] == b"{"
    assert b"collections" not in content


def test_without_an_average(tmp_path):
    first, second = Trained(2), Trained(1)
    at = Checkpoint(2, 1.0, Best(0, float("inf"), {}))
    path = save_checkpoint(tmp_path, at, first.model, first.optimizer, None)
    assert load_checkpoint(path, second.model, second.optimizer, None).best.bits == float("inf")
    for ours, theirs in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"file/checkpoints.* cannot be written"):
        saved(tmp_path / "file" / "checkpoints", Trained(1))
