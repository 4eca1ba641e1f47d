import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backprop_cli.errors import RunError, UsageError
from backprop_cli.runs.folder import claim, find_checkpoint, find_run


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def make(runs, name):
    folder = claim(runs, "x", name)
    folder.write_record({"status": "running"})
    folder.config.write_text("")
    return folder


def test_runs_are_numbered_by_the_name_of_their_config(runs):
    assert [claim(runs, "mnist").path.name for _ in range(3)] == ["mnist-001", "mnist-002", "mnist-003"]
    assert claim(runs, "digits").path.name == "digits-001"


def test_numbers_go_on_after_a_gap_and_past_a_thousand(runs):
    (runs / "mnist-999").mkdir(parents=True)
    assert claim(runs, "mnist").path.name == "mnist-1000"


def test_simultaneous_starts_never_share_a_folder(runs):
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: claim(runs, "mnist").path, range(64)))
    assert len(set(folders)) == 64


def test_a_strange_config_name_makes_a_plain_folder_name(runs):
    assert claim(runs, "my config (1)").path.name == "my-config-1-001"
    assert claim(runs, "…").path.name == "run-001"


def test_a_name_is_taken_once(runs):
    make(runs, "first")
    with pytest.raises(RunError, match="exists"):
        claim(runs, "x", "first")
    assert claim(runs, "x", "first", overwrite=True).path.name == "first"


def test_overwrite_leaves_alone_what_is_no_run(runs):
    (runs / "photos").mkdir(parents=True)
    (runs / "photos" / "holiday.jpg").write_text("…")
    with pytest.raises(RunError, match="not a run's folder"):
        claim(runs, "x", "photos", overwrite=True)
    assert (runs / "photos" / "holiday.jpg").exists()


@pytest.mark.parametrize("file", ["config.yaml", "notes.tmp", "checkpoints/best.npz"])
def test_overwrite_leaves_alone_what_only_looks_like_a_run(runs, file):
    (runs / "mine" / file).parent.mkdir(parents=True)
    (runs / "mine" / file).write_text("precious")
    with pytest.raises(RunError, match="not a run's folder"):
        claim(runs, "x", "mine", overwrite=True)
    assert (runs / "mine" / file).read_text() == "precious"


@pytest.mark.parametrize("name", ["a/b", "../a", "..", ".", "", "-rf", ".hidden", "a\0b", "a b", "x" * 101, "a..b"])
def test_names_stay_inside(runs, name):
    with pytest.raises(UsageError, match="run name"):
        claim(runs, "x", name)


def test_a_run_is_found_by_folder_name_prefix_and_as_the_last(runs):
    first, second = make(runs, "alpha"), make(runs, "beta")
    os.utime(first.config, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert find_run(str(first.path), runs) == first
    assert find_run("beta", runs) == second
    assert find_run("be", runs) == second
    assert find_run("@last", runs) == first
    assert find_checkpoint("be", runs, "best") == second.checkpoint("best")


def test_a_file_is_a_checkpoint_whatever_its_name(tmp_path, runs):
    (tmp_path / "mine.npz").write_text("")
    assert find_checkpoint(str(tmp_path / "mine.npz"), runs, "best") == tmp_path / "mine.npz"


def test_what_is_not_found_or_not_unique_is_said(runs, tmp_path):
    make(runs, "alpha-1")
    make(runs, "alpha-2")
    with pytest.raises(UsageError, match="could be 2 runs: alpha-1, alpha-2"):
        find_run("alpha", runs)
    with pytest.raises(UsageError, match="no run in"):
        find_run("gamma", runs)
    with pytest.raises(UsageError, match="there is no run"):
        find_run("@last", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not a run's folder"):
        find_run(str(tmp_path), runs)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\udcff"])
def test_a_damaged_record_is_named(runs, text):
    folder = make(runs, "alpha")
    folder.record.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"run\.json"):
        folder.read_record()
