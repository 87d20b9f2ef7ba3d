import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyena_glt.errors import OutputError
from hyena_glt.io import atomic
from hyena_glt.io.atomic import atomic_files, atomic_folder, atomic_write, remove_unfinished


def test_a_file_appears_at_the_end_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "deep" / "scores.bed.gz"
    for text in ("old", "new"):
        with atomic_write(path) as unfinished:
            assert unfinished.parent == path.parent
            assert unfinished.suffixes[-2:] == [".bed", ".gz"]
            unfinished.write_text(text)
            assert not path.exists() or path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")

    def write_half_and_fail():
        with atomic_write(path) as unfinished:
            unfinished.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half_and_fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_is_that_of_any_new_file(tmp_path):
    with atomic_write(tmp_path / "x") as unfinished:
        unfinished.touch()
    (tmp_path / "y").touch()
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_links_and_devices_are_written_through(tmp_path):
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    with atomic_write(link) as unfinished:
        unfinished.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    with atomic_write(Path(os.devnull)) as unfinished:
        unfinished.write_text("gone")
    assert Path(os.devnull).is_char_device()


def test_places_that_cannot_be_written_are_told(tmp_path):
    blocker = tmp_path / "file"
    blocker.touch()
    with pytest.raises(OutputError, match="folder"), atomic_write(tmp_path):
        pass
    with pytest.raises(OutputError, match="cannot be written"), atomic_write(blocker / "x"):
        pass
    with pytest.raises(OutputError, match="cannot be written"), atomic_write(tmp_path / "never"):
        pass  # nothing was written, so nothing can take the final name
    with pytest.raises(OutputError, match="this is a file"), atomic_folder(blocker):
        pass
    with pytest.raises(OutputError, match="cannot be written"), atomic_folder(blocker / "x"):
        pass
    assert list(tmp_path.iterdir()) == [blocker]


def test_the_callers_own_faults_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "x"):
        (tmp_path / "elsewhere" / "input").read_text()


def test_a_folder_appears_when_it_is_full(tmp_path):
    path = tmp_path / "runs" / "first"
    with atomic_folder(path) as unfinished:
        (unfinished / "weights").write_text("1")
        (unfinished / "deep").mkdir()
        assert not path.exists()
    assert (path / "weights").read_text() == "1"
    assert (path / "deep").is_dir()
    assert list(path.parent.iterdir()) == [path]


def test_a_full_folder_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    with atomic_folder(path) as unfinished:
        (unfinished / "a").touch()
    with pytest.raises(OutputError, match="not empty"), atomic_folder(path):
        pass
    with pytest.raises(ZeroDivisionError), atomic_folder(path, overwrite=True):
        raise ZeroDivisionError
    assert [file.name for file in path.iterdir()] == ["a"]
    with atomic_folder(path, overwrite=True) as unfinished:
        (unfinished / "b").touch()
    assert [file.name for file in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    program = (
        "import os, signal, sys\n"
        "from hyena_glt.io.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as unfinished:\n"
        "    unfinished.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    source = str(Path(atomic.__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], env={"PYTHONPATH": source}, check=False
    )
    assert result.returncode == -9
    assert path.read_text() == "old"


def test_files_join_others_when_all_are_complete(tmp_path):
    folder = tmp_path / "deep" / "run"
    with atomic_files(folder) as unfinished:
        (unfinished / "weights").write_text("old")
    (folder / "other").write_text("stays")

    def dies():
        with atomic_files(folder) as unfinished:
            (unfinished / "weights").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dies()
    assert (folder / "weights").read_text() == "old"
    with atomic_files(folder) as unfinished:
        (unfinished / "weights").write_text("new")
        assert (folder / "weights").read_text() == "old"
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"weights": "new", "other": "stays"}
    with pytest.raises(OutputError, match="cannot be written"), atomic_files(folder / "other"):
        pass


def test_what_a_dead_writer_left_is_removed(tmp_path):
    (tmp_path / "inside").mkdir()
    for name in (".0a1b2c3d.x.tsv", "inside/.ffffffff.y", ".hidden", "inside/z", ".git.x"):
        (tmp_path / name).write_text("")
    (tmp_path / ".00000000.unfinished").mkdir()
    (tmp_path / ".00000000.unfinished" / "weights").write_text("")
    remove_unfinished(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"inside", ".hidden", "inside/z", ".git.x"}
    remove_unfinished(tmp_path / "missing")
