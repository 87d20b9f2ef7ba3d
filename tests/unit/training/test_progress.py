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


def test_steps_are_counted_with_their_figures():
    progress = TrainingProgress(3, enabled=False)
    progress.step(0.51234, 12.34)
    progress.step(0.25, 8.0)
    task = progress.bar.tasks[0]
    assert (task.completed, task.total) == (2, 3)
    assert task.fields["figures"] == "loss 0.250  8.0 nt/patch"
