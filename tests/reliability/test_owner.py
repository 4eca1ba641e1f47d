"""A run has one owner, and names cannot leave the runs folder."""

import json
import os
import subprocess
import sys
import threading

import pytest

from backprop_cli.errors import RunError
from backprop_cli.runs.folder import create_run_folder
from tests.cli.helpers import numbers, same_bits
from tests.conftest import ROOT


def start(count, tmp_path, *words):
    """Start this many processes at once; return how each ended."""
    command = [sys.executable, "-m", "backprop_cli", *map(str, words), "-q"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [(process.communicate(timeout=120), process.returncode) for process in processes]


def check_one_of(count, backprop, tiny, tmp_path):
    assert backprop("train", tiny, "--runs-dir", "good", "--name", "run").code == 0
    ends = start(count, tmp_path, "train", tiny, "--name", "run")
    assert sorted(code for _, code in ends) == [0] + [1] * (count - 1)
    for (out, err), code in ends:
        assert code == 0 or (out, err.count("\n"), "runs/run exists" in err) == ("", 1, True)
    for which in ("best", "last"):
        assert same_bits(f"runs/run/checkpoints/{which}.npz", f"good/run/checkpoints/{which}.npz")
    assert numbers(tmp_path / "runs/run/metrics.csv") == numbers(tmp_path / "good/run/metrics.csv")
    assert os.listdir("runs") == ["run"]


def test_one_of_several_simultaneous_starts_with_one_name_succeeds(backprop, tiny, tmp_path):
    check_one_of(3, backprop, tiny, tmp_path)


@pytest.mark.long
def test_one_of_thirty_two_starts_with_one_name_succeeds(backprop, tiny, tmp_path):
    check_one_of(32, backprop, tiny, tmp_path)


@pytest.mark.long
def test_thirty_two_starts_without_a_name_are_thirty_two_runs(backprop, tiny, tmp_path):
    ends = start(32, tmp_path, "train", tiny)
    assert [code for _, code in ends] == [0] * 32
    assert {out.strip() for (out, _), _ in ends} == {f"runs/tiny-{number:03d}" for number in range(1, 33)}
    for number in range(1, 33):
        assert json.loads((tmp_path / f"runs/tiny-{number:03d}/run.json").read_text())["status"] == "finished"


@pytest.mark.long
def test_one_of_sixteen_simultaneous_resumes_trains_the_run(backprop, tiny, tmp_path):
    for runs in ("good", "runs"):
        assert backprop("train", tiny, "epochs=1", "--runs-dir", runs, "--name", "run").code == 0
    assert backprop("resume", "run", "--runs-dir", "good", "--epochs", 40).code == 0
    ends = start(16, tmp_path, "resume", "run", "--epochs", 40)
    codes = [code for _, code in ends]
    assert codes.count(0) == 1
    assert set(codes) <= {0, 1, 2}  # 2 for those that came when all epochs were done
    assert same_bits("runs/run/checkpoints/last.npz", "good/run/checkpoints/last.npz")
    assert numbers(tmp_path / "runs/run/metrics.csv") == numbers(tmp_path / "good/run/metrics.csv")


def test_one_of_many_that_overwrite_a_run_owns_it(tmp_path):
    first = create_run_folder(tmp_path, "x", "run")
    first.write_record({"status": "finished"})
    start_together, owners = threading.Barrier(16), []

    def overwrite():
        start_together.wait()
        try:
            folder = create_run_folder(tmp_path, "x", "run", overwrite=True)
            with folder.lock():
                folder.prepare()
                owners.append(folder)
                folder.write_record({"status": "running"})
                all_have_tried.wait()
        except RunError:
            losers.append(1)
            if len(losers) == 15:
                all_have_tried.set()

    losers: list[int] = []
    all_have_tried = threading.Event()
    threads = [threading.Thread(target=overwrite) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert (len(owners), len(losers)) == (1, 15)
    assert sorted(os.listdir(first.path)) == ["checkpoints", "run.json"]


def test_overwrite_does_not_follow_a_link_to_a_run(tmp_path):
    real = create_run_folder(tmp_path / "elsewhere", "x", "run")
    real.write_record({"status": "finished"})
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run").symlink_to(real.path)
    with pytest.raises(RunError, match="does not remove it"):
        create_run_folder(tmp_path / "runs", "x", "run", overwrite=True)
    assert real.record.exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a\nb", "-rf", ""])
def test_a_run_name_that_is_a_path_is_refused(backprop, tiny, tmp_path, name):
    done = backprop("train", tiny, f"--name={name}")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["../digits", "/etc", "mnist/..", "", "-x", "MNIST", "mnist\n"])
def test_an_unknown_data_set_is_refused(backprop, tiny, tmp_path, name):
    for words in (("data", "fetch", "--", name), ("data", "path", "--", name), ("check", tiny, f"dataset='{name}'")):
        done = backprop(*words)
        assert done.code == 2
        assert done.err.startswith("error: ")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("stem", ["..", "-rf", "a b", "…", "a..b", "caf\udce9"])
def test_a_config_of_any_name_creates_a_run_in_the_runs_folder(backprop, tiny, tmp_path, stem):
    config = tiny.rename(tmp_path / f"{stem}.yaml")
    assert backprop("train", config, "epochs=1", "-q").code == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name[0].isalnum()
    assert "/" not in run.name
