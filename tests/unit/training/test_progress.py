import pytest

from hyena_glt.training import throughput
from hyena_glt.training.progress import TrainingProgress


def test_silence_when_switched_off(capsys):
    with TrainingProgress(3, enabled=False) as progress:
        progress.step(0.5, 12.0)
        progress.line("epoch 1")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_lines_go_to_the_error_stream_as_they_are(capsys):
    """What stands in brackets is no mark-up; and a file gets no bar."""
    with TrainingProgress(3, enabled=True) as progress:
        progress.step(0.5, 12.0)
        progress.line("class [bold] and [/] of 7")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "class [bold] and [/] of 7\n"


def test_a_line_in_a_file_stays_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = "epoch   1  train loss 0.6383  validation loss 0.5572  " * 3 + "*"
    TrainingProgress(3, enabled=True).line(text)
    assert capsys.readouterr().err == text + "\n"


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_count_and_time_left_are_whole_in_any_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = TrainingProgress(5000, enabled=False)
    progress.bar.advance(progress.task, 1234)
    progress.bar.update(
        progress.task, figures="loss 0.505  auroc 0.806  112,655 tokens/s  5.5 nt/patch"
    )
    progress.console.quiet = False
    with progress.console.capture() as captured:
        progress.console.print(progress.bar.get_renderable())
    (shown,) = captured.get().splitlines()
    assert " 1234/5000 loss 0.505  auroc 0.806 " in shown
    assert shown.rstrip().endswith("-:--:--")
    assert ("5.5 nt/patch" in shown) == (columns >= 80)


def test_steps_are_counted_with_their_figures():
    progress = TrainingProgress(3, enabled=False)
    progress.step(0.51234, 12.34)
    progress.step(0.25, 8.0)
    task = progress.bar.tasks[0]
    assert (task.completed, task.total) == (2, 3)
    assert task.fields["figures"] == "loss 0.250  8.0 nt/patch"


def test_speed_and_the_last_metric_stand_between_loss_and_compression(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 100.0, 101.0])
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: next(clock))
    progress = TrainingProgress(3, enabled=False)
    progress.step(0.5, 8.0, tokens=4000)
    progress.step(0.5, 8.0, tokens=4000)
    progress.metric("mcc", 0.8125)
    progress.step(0.25, 8.0, tokens=4000)
    shown = progress.bar.tasks[0].fields["figures"]
    assert shown == "loss 0.250  mcc 0.812  4,000 tokens/s  8.0 nt/patch"
