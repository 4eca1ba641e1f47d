import contextlib
import errno
import json
import os
import re
import sys
import time

import pytest

from backprop_cli.runs import session
from backprop_cli.sweeps import arguments, sweep
from tests.cli.helpers import on_a_terminal
from tests.cli.test_completion import completions
from tests.conftest import ROOT
from tests.sweeps.helpers import Here

WORDS = ("eta=1,2", "epochs=1", "train_size=195")
SWEEP = ("sweep", "digits", *WORDS, "--jobs", 1)


def test_a_sweep_prints_its_start_new_bests_the_table_and_the_next_commands(backprop):
    done = backprop(*SWEEP, "seed=0..1", "--name", "some")
    assert done.code == 0
    first, *bests = done.err.splitlines()
    assert first == "2 settings (grid) x 2 seeds on 1 worker, in runs/some"
    assert bests[0].startswith("best so far: val_accuracy ")
    assert "±" in bests[0]
    header, *rows = done.out.splitlines()
    assert header.split() == ["run", "status", "val_accuracy", "eta"]
    assert len([row for row in rows if "finished" in row and "±" in row]) == 2
    assert "test accuracy" in done.out
    assert "sweep       runs/some  (4 finished; complete)" in rows
    assert any(row.startswith("next        backprop eval runs/some/000") for row in rows)
    assert backprop("eval", rows[-2].split()[-1]).code == 0


def test_runs_of_a_sweep_are_ordinary_runs(backprop):
    backprop(*SWEEP, "--name", "some", "-q")
    listed = json.loads(backprop("runs", "list", "--json").out)["runs"]
    assert [run["experiment"]["eta"] for run in listed] == [1.0, 2.0]
    assert all(run["experiment"]["threads"] == 1 for run in listed)
    assert backprop("runs", "list", "--runs-dir", "runs/some", "--group-by-seed").code == 0


def test_the_same_command_continues_in_the_same_folder(backprop):
    first = backprop(*SWEEP, "-q")
    again = backprop(*SWEEP)
    assert first.out.strip().startswith("runs/digits-sweep-")
    assert first.out.strip() in again.out
    assert "2 runs done before" in again.err


def test_json_has_every_setting_and_the_test_metrics(backprop):
    found = json.loads(backprop(*SWEEP, "--json").out)
    assert found["runs"] == {"finished": 2, "missing": 0}
    assert {setting["setting"]["eta"] for setting in found["settings"]} == {1, 2}
    assert 0 < found["test"]["accuracy"][0] <= 1


def test_a_dry_run_trains_nothing_and_shows_the_first_settings(backprop, tmp_path):
    done = backprop("sweep", "digits", "eta=0.1..1:log", "layers.1=10..300", "sweep.trials=70", "--dry-run")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "settings    70 (sobol)"
    assert lines[1] == "runs        70 (seeds 0)"
    assert "490 files and folders" in lines[2]
    assert re.fullmatch(r"time        about .* on [0-9]+ workers? \(3 settings timed\)", lines[3])
    assert lines[4].startswith("first       eta=0.")
    assert not (tmp_path / "runs").exists()


def test_check_tells_what_a_sweep_means(backprop, tmp_path):
    (tmp_path / "some.yaml").write_text("extends: digits\nsweep: {over: {eta: [1, 2]}, seeds: 3}\n")
    for words in (["some.yaml"], ["digits", "eta=1,2", "sweep.seeds=3"]):
        told = json.loads(backprop("check", *words, "--json").out)
        assert (told["settings"], told["runs"], told["first"]) == (2, 6, [{"eta": 1}, {"eta": 2}])
        assert 0 < told["seconds"] < 600
    assert backprop("check", "some.yaml").out.startswith("settings    2 (grid)\nruns        6 (seeds 0, 1, 2)\n")


def test_the_time_of_a_sweep_is_unknown_without_the_data_and_nothing_is_downloaded(backprop):
    told = backprop("check", "mnist", "eta=1,2", "--data-dir", "none")
    assert (told.code, told.err) == (0, "")
    assert "time        unknown: dataset 'mnist' is not available" in told.out


@pytest.mark.speed
def test_the_time_that_a_sweep_takes_is_about_that_which_was_told(backprop):
    words = ("digits", "eta=0.01..1:log", "layers.1=10..100", "epochs=40", "sweep.trials=40")
    told = json.loads(backprop("check", *words, "--json").out)["seconds"]
    started = time.monotonic()
    assert backprop("sweep", *words, "-q").code == 0
    assert 0.4 < told / (time.monotonic() - started) < 2.5


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("eta=0.1..1",), 2, "a continuous range needs a number of trials: sweep.trials=50"),
        (("eta=1",), 2, "nothing is varied"),
        (("eta=1,2", "--shard", "3/2"), 2, "--shard 3/2: write a part such as 1/8"),
        (("eta=1,2", "--time", "soon"), 2, "--time soon: write a time such as 90s, 15min or 2h"),
        (("eta=1,2", "--on", "nowhere"), 2, "--on nowhere: write dask:"),
        (("eta=1,2", "--on", "no_such_module:pool"), 2, "--on no_such_module:pool: No module named"),
        (("eta=1,2", "--on", "os:getcwd"), 2, "returned str, not a concurrent.futures.Executor"),
        (("eta=1,2", "--name", "../x"), 2, "run name '../x'"),
        (("dataset=mnist", "layers=784-5-10", "eta=1,2", "--offline", "--data-dir", "none", "--jobs", "1"), 5, "mnist"),
        ((*WORDS, "--jobs", "1", "--min-accuracy", "0.99"), 4, "val_accuracy"),
        (("eta=1e30,1e31", "activation=relu", "output=identity", "cost=quadratic", "--jobs", "1"), 3, ""),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_exit_codes(backprop, words, code, message):
    done = backprop("sweep", "digits", *words)
    assert done.code == code, done.err
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_quiet_sweep_tells_which_runs_failed_and_why(backprop, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def here(jobs):
        return contextlib.nullcontext(Here())

    monkeypatch.setattr(sweep, "LocalExecutor", here)
    monkeypatch.setattr(session, "atomic_write", full)
    done = backprop(*SWEEP, "--name", "some", "-q")
    assert (done.code, done.out) == (1, "runs/some\n")
    assert "warning: failed: 0001, 0002: runs/some/…/config.yaml: No space left on device" in done.err
    assert "try again with --retry-failed" in done.err


def test_a_file_of_dask_that_never_appears_is_an_error(backprop, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(arguments, "FILE_TIME", 0.2)
    done = backprop("sweep", "digits", "eta=1,2", "--on", "dask:none.json")
    assert done.code == 2
    assert "--on dask:none.json: there is no such file after 0.2 seconds" in done.err
    assert "start dask scheduler --scheduler-file none.json" in done.err


def test_an_executor_of_a_function_does_the_work(backprop, tmp_path, monkeypatch):
    (tmp_path / "my_pool.py").write_text(
        "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "def pool():\n    return ProcessPoolExecutor(1, multiprocessing.get_context('spawn'))\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(ROOT), *sys.path])
    done = backprop("sweep", "digits", *WORDS, "--on", "my_pool:pool")
    assert (done.code, "2 finished" in done.out) == (0, True)


def test_a_terminal_shows_a_bar_with_the_numbers_of_runs(tmp_path):
    code, shown = on_a_terminal(tmp_path, *map(str, SWEEP), size=(24, 120))
    assert code == 0
    assert "100%" in shown
    assert "2/2" in shown
    assert "2 finished" in shown


def test_the_options_of_a_sweep_are_completed(tmp_path):
    def offered(start):
        return completions("bash", f"backprop {start}", tmp_path)

    assert offered("sweep c.yaml sweep.s") == ["sweep.sampler=", "sweep.seeds=", "sweep.stack="]
    assert offered("sweep c.yaml sweep.sampler=t") == ["sweep.sampler=tpe"]
    assert offered("sweep c.yaml optimizer=adam optimizer.b") == ["optimizer.beta1=", "optimizer.beta2="]
    assert offered("train c.yaml sweep.s") == []
