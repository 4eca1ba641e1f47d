import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backprop_cli.errors import CheckpointError, RunError, UsageError
from backprop_cli.runs.folder import RunFolder, check_removable, create_run_folder, find_run, remove
from backprop_cli.runs.model import load_model


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def make(runs, name):
    folder = create_run_folder(runs, "x", name)
    folder.write_record({"status": "running"})
    folder.config.write_text("")
    return folder


def test_runs_are_numbered_by_the_name_of_their_config(runs):
    assert [create_run_folder(runs, "mnist").path.name for _ in range(3)] == ["mnist-001", "mnist-002", "mnist-003"]
    assert create_run_folder(runs, "digits").path.name == "digits-001"


def test_numbering_continues_after_a_gap_and_past_a_thousand(runs):
    (runs / "mnist-999").mkdir(parents=True)
    assert create_run_folder(runs, "mnist").path.name == "mnist-1000"


def test_simultaneous_starts_never_share_a_folder(runs):
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: create_run_folder(runs, "mnist").path, range(64)))
    assert len(set(folders)) == 64


def test_special_characters_of_a_config_name_are_replaced(runs):
    assert create_run_folder(runs, "my config (1)").path.name == "my-config-1-001"
    assert create_run_folder(runs, "…").path.name == "run-001"


def test_a_name_is_used_only_once(runs):
    make(runs, "first")
    with pytest.raises(RunError, match="exists"):
        create_run_folder(runs, "x", "first")
    assert create_run_folder(runs, "x", "first", overwrite=True).path.name == "first"


def test_overwrite_keeps_a_folder_that_is_not_a_run(runs):
    (runs / "photos").mkdir(parents=True)
    (runs / "photos" / "holiday.jpg").write_text("…")
    with pytest.raises(RunError, match="not a run's folder"):
        create_run_folder(runs, "x", "photos", overwrite=True)
    assert (runs / "photos" / "holiday.jpg").exists()


@pytest.mark.parametrize("file", ["config.yaml", "notes.tmp", "checkpoints/best.npz"])
def test_overwrite_keeps_a_folder_that_only_resembles_a_run(runs, file):
    (runs / "mine" / file).parent.mkdir(parents=True)
    (runs / "mine" / file).write_text("precious")
    with pytest.raises(RunError, match="not a run's folder"):
        create_run_folder(runs, "x", "mine", overwrite=True)
    assert (runs / "mine" / file).read_text() == "precious"


@pytest.mark.parametrize("name", ["a/b", "../a", "..", ".", "", "-rf", ".hidden", "a\0b", "a b", "x" * 101, "a..b"])
def test_names_cannot_leave_the_runs_folder(runs, name):
    with pytest.raises(UsageError, match="run name"):
        create_run_folder(runs, "x", name)


def test_a_run_is_found_by_folder_name_prefix_and_as_the_last(runs):
    first, second = make(runs, "alpha"), make(runs, "beta")
    os.utime(first.config, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert find_run(str(first.path), runs) == first
    assert find_run("beta", runs) == second
    assert find_run("be", runs) == second
    assert find_run("@last", runs) == first


def test_a_file_is_a_checkpoint_whatever_its_name(tmp_path, runs):
    (tmp_path / "mine.npz").write_text("")
    with pytest.raises(CheckpointError, match="mine.npz: not a whole checkpoint"):
        load_model(str(tmp_path / "mine.npz"), runs)


def test_a_name_without_a_run_or_with_several_is_an_error(runs, tmp_path):
    make(runs, "alpha-1")
    make(runs, "alpha-2")
    with pytest.raises(UsageError, match="matches 2 runs: alpha-1, alpha-2"):
        find_run("alpha", runs)
    with pytest.raises(UsageError, match="no checkpoint, run folder or run named"):
        find_run("gamma", runs)
    with pytest.raises(UsageError, match="no runs in"):
        find_run("@last", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not a run's folder"):
        find_run(str(tmp_path), runs)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\udcff"])
def test_a_damaged_record_is_an_error_with_its_path(runs, text):
    folder = make(runs, "alpha")
    folder.record.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"run\.json"):
        folder.read_record()


@pytest.mark.parametrize("name", ["run.json", "config.yaml"])
@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_only_regular_files_of_a_run_are_read(runs, monkeypatch, tmp_path, name, target):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    folder = create_run_folder(runs, "x", "alpha")
    (folder.path / name).symlink_to(Path(target).absolute())
    with pytest.raises(RunError, match=rf"{name}: cannot be read: not a regular file"):
        folder.read_record() if name == "run.json" else folder.read_config()


def test_an_endless_record_or_config_is_not_read(runs):
    folder = make(runs, "alpha")
    for path in (folder.record, folder.config):
        path.touch()
        os.truncate(path, 1 << 32)  # sparse: takes no space
    with pytest.raises(RunError, match="larger than 4,194,304 bytes"):
        folder.read_record()
    with pytest.raises(RunError, match="larger than 65,536 bytes"):
        folder.read_config()


@pytest.mark.parametrize("text", ["[", "a: &a [*a]", "- 1", "a: 1\na: 2", "a: " + "[" * 100])
def test_a_config_that_is_not_an_experiment_is_an_error(runs, text):
    folder = make(runs, "alpha")
    folder.config.write_text(text)
    with pytest.raises(RunError, match=r"config\.yaml"):
        folder.read_config()


def finished(runs, name):
    """A run with everything that a run may have in its folder."""
    run = make(runs, name)
    run.prepare()
    for which in ("best", "last"):
        run.checkpoint(which).write_bytes(b"x")
    run.metrics.write_text("epoch\n")
    (run.path / "plots").mkdir()
    (run.path / "plots" / "curves.png").write_bytes(b"x")
    return run


def test_a_run_is_removed(runs):
    remove(finished(runs, "alpha"))
    assert os.listdir(runs) == []


def test_links_in_a_run_are_removed_but_not_followed(runs, tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "precious").write_text("")
    run = finished(runs, "alpha")
    (run.path / "link").symlink_to(tmp_path / "victim")
    remove(run)
    assert os.listdir(tmp_path / "victim") == ["precious"]


def test_a_folder_that_is_not_a_run_is_not_removed(runs):
    (runs / "photos").mkdir(parents=True)
    (runs / "photos" / "run.json").write_text("{}")
    with pytest.raises(RunError, match="not a run's folder"):
        remove(RunFolder(runs / "photos"))
    assert (runs / "photos" / "run.json").exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("overwrite", [False, True], ids=["rm", "overwrite"])
def test_a_removal_killed_at_any_moment_can_be_repeated(runs, monkeypatch, overwrite):
    """A run with a record can be resumed as well: one of its checkpoints is there."""
    steps = {"n": 0, "last": 0}

    def counted(function):
        def call(*arguments, **options):
            steps["n"] += 1
            if steps["n"] == steps["last"]:
                raise Killed
            return function(*arguments, **options)

        return call

    for last in range(1, 100):
        run = finished(runs, "alpha")
        steps.update(n=0, last=last)
        with monkeypatch.context() as patch:
            for name in ("unlink", "rmdir"):
                patch.setattr(os, name, counted(getattr(os, name)))
                patch.setattr(Path, name, counted(getattr(Path, name)))
            try:
                create_run_folder(runs, "x", "alpha", overwrite=True) if overwrite else remove(run)
            except Killed:
                pass
            else:
                break
        assert run.checkpoint("last").is_file() or not run.record.exists()
        if os.listdir(run.path):
            assert find_run("alpha", runs) == run
            check_removable(run)
        if last % 2 and os.listdir(run.path):
            remove(run)
        else:
            create_run_folder(runs, "x", "alpha", overwrite=True)
            shutil.rmtree(run.path)
    else:
        pytest.fail("the removal did not end")
    assert last > 8


def test_a_folder_that_was_replaced_is_not_written_to(runs):
    run = finished(runs, "alpha")
    with run.lock():
        run.check_lock()
        run.path.rename(runs / "moved")
        for step in ("gone", "another"):
            with pytest.raises(RunError, match="moved, removed or replaced"):
                run.write_record({"status": "failed"})
            if step == "gone":
                other = finished(runs, "alpha")
                other.lock_file.touch()
    assert other.read_record() == {"status": "running"}
    assert other.lock_file.exists()
    assert RunFolder(runs / "moved").read_record() == {"status": "running"}


def test_a_moved_run_stays_locked(runs):
    run = finished(runs, "alpha")
    with run.lock():
        run.path.rename(runs / "moved")
        moved = RunFolder(runs / "moved")
        assert moved.is_locked()
        with pytest.raises(RunError, match="is being trained by another process"), moved.lock():
            pass


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/last.npz", "config.yaml", "metrics.csv", "run.json"])
def test_a_link_in_a_run_is_not_written_through(runs, tmp_path, name):
    run = finished(runs, "alpha")
    path = run.path / name
    path.rename(tmp_path / "victim")
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(RunError, match=f"{name} is a symbolic link"):
        run.prepare()


def test_a_folder_with_a_lock_alone_is_removed(runs):
    """What remains of a run that was killed as its folder was created, or almost removed."""
    run = create_run_folder(runs, "x", "alpha")
    run.lock_file.touch()
    check_removable(run)
    remove(run)
    assert os.listdir(runs) == []
