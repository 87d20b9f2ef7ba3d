import resource

import pytest
import torch
from torch import nn

from hyena_glt.errors import ConfigError, DataError, OutputError
from hyena_glt.training.checkpoints import (
    Best,
    Checkpoint,
    Moved,
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

    def moved(self):
        return Moved(self.model, self.optimizer, self.average)

    def tensors(self):
        return [*self.model.state_dict().values(), *self.average.average.values()]


def saved(folder, trained, step=7, best=None):
    best = best or Best(5, (0.5, -1.25), 1.25, {"mcc": 0.5}, state_of(trained.model))
    return save_checkpoint(folder, Checkpoint(step, 12.5, best, "9 sequences"), trained.moved())


def loaded(path, trained):
    return load_checkpoint(path, trained.moved(), data="9 sequences")


def test_all_of_it_comes_back_and_goes_on_alike(tmp_path):
    first = Trained(4)
    state = {name: value + 1 for name, value in first.model.state_dict().items()}
    best = Best(2, (0.75, -1.25), 1.25, {"auroc": 0.75}, state)
    path = saved(tmp_path, first, best=best)
    second = Trained(1)
    at = loaded(path, second)
    assert (at.step, at.seconds, at.data) == (7, 12.5, "9 sequences")
    assert at.best._replace(state={}) == best._replace(state={})
    assert at.best.state.keys() == best.state.keys()
    assert all(torch.equal(at.best.state[name], value) for name, value in best.state.items())
    assert second.average.steps == 4
    for trained in (first, second):
        torch.manual_seed(3)
        for _ in range(3):
            trained.step()
    for ours, theirs in zip(first.tensors(), second.tensors(), strict=True):
        assert torch.equal(ours, theirs)


def test_other_data_and_other_models_are_refused(tmp_path):
    path = saved(tmp_path, Trained(1))
    with pytest.raises(DataError, match=r"was on other data: 9 sequences; now there are 8 seq"):
        load_checkpoint(path, Trained(1).moved(), data="8 sequences")
    other = Trained(1)
    other.model[0] = nn.Linear(2, 4)
    with pytest.raises(ConfigError, match=r"another model: 0\.weight has shape \(4, 3\) there"):
        loaded(path, other)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    before = saved(tmp_path, Trained(1), 5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"step-000000006.* cannot be written"):
            saved(tmp_path, Trained(1), 6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [before]
    assert newest(tmp_path) == before


def test_as_many_are_kept_as_asked_for(tmp_path):
    at = Checkpoint(0, 0.0, Best(0, (0.0,), 0.0, {}, {}))
    for step in range(1, 6):
        save_checkpoint(tmp_path, at._replace(step=step), Trained(1).moved(), kept=3)
    assert [int(path.stem[5:]) for path in sorted(tmp_path.iterdir())] == [3, 4, 5]


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
    at = Checkpoint(2, 1.0, Best(0, (-float("inf"),), float("nan"), {}, {}))
    path = save_checkpoint(tmp_path, at, Moved(first.model, first.optimizer))
    found = load_checkpoint(path, Moved(second.model, second.optimizer))
    assert found.best.score == (-float("inf"),)
    for ours, theirs in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"file/checkpoints.* cannot be written"):
        saved(tmp_path / "file" / "checkpoints", Trained(1))


def test_a_damaged_newer_file_does_not_outlive_a_whole_one(tmp_path):
    trained = Trained(1)
    cut = saved(tmp_path, trained, 9)
    cut.write_bytes(cut.read_bytes()[:-10])
    at = Checkpoint(6, 0.0, Best(0, (0.0,), 0.0, {}, {}))
    path = save_checkpoint(tmp_path, at, trained.moved(), kept=1)
    assert list(tmp_path.iterdir()) == [path]
    assert newest(tmp_path) == path
