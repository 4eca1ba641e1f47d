import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.cli.helpers import numbers, record_of, running, same_bits


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_five_epochs_resumed_to_ten_equal_ten_epochs(backprop, tiny, tmp_path, optimizer):
    words = (f"optimizer={optimizer}", "eta=0.1", "lambda=0.5")
    backprop("train", tiny, "epochs=10", "--name", "whole", *words)
    backprop("train", tiny, "epochs=5", "--name", "parts", *words)
    done = backprop("resume", "parts", "--epochs", 10)
    assert done.code == 0
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/parts/checkpoints/last.npz")
    assert same_bits("runs/whole/checkpoints/best.npz", "runs/parts/checkpoints/best.npz")
    assert numbers(tmp_path / "runs/whole/metrics.csv") == numbers(tmp_path / "runs/parts/metrics.csv")
    whole, parts = (json.loads((tmp_path / "runs" / name / "run.json").read_text()) for name in ("whole", "parts"))
    assert {**whole["final"], "seconds": 0} == {**parts["final"], "seconds": 0}
    assert (whole["best"], whole["test"]) == (parts["best"], parts["test"])
    assert "epochs: 10" in (tmp_path / "runs/parts/config.yaml").read_text()


def test_resume_of_a_finished_run_changes_nothing_and_exits_0(backprop, tiny):
    trained = backprop("train", tiny)
    before = {path: path.read_bytes() for path in Path("runs/tiny-001").rglob("*") if path.is_file()}
    for words in ((), ("--epochs", 3)):
        done = backprop("resume", "@last", *words)
        message = "runs/tiny-001 is already finished (3 epochs); to train longer use --epochs 6\n"
        assert (done.code, done.out, done.err) == (0, trained.out, message)
    result = json.loads(backprop("resume", "@last", "--json").out)
    assert {key: result[key] for key in ("run", "status", "epochs")} == {
        "run": "runs/tiny-001",
        "status": "finished",
        "epochs": 3,
    }
    assert result["test"] == record_of("tiny-001")["test"]
    assert before == {path: path.read_bytes() for path in Path("runs/tiny-001").rglob("*") if path.is_file()}
    done = backprop("resume", "@last", "--epochs", 2)
    assert (done.code, "already has 3 epochs" in done.err) == (2, True)


def test_resume_of_a_diverged_run_is_one_error_line_and_exit_3(backprop, tmp_path):
    (tmp_path / "wild.yaml").write_text("dataset: sine\nlayers: 1-20-1\neta: 1e20\nactivation: relu\n")
    assert backprop("train", "wild.yaml").code == 3
    at = record_of("wild-001")["diverged"]
    done = backprop("resume", "@last")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert done.err.startswith(f"error: runs/wild-001 diverged in epoch {at['epoch']}, step {at['step']}, and would")


def test_resume_warns_when_the_environment_changed(backprop, tiny, tmp_path):
    backprop("train", tiny)
    record = tmp_path / "runs/tiny-001/run.json"
    record.write_text(record.read_text().replace('"threads": 1', '"threads": 7'))
    done = backprop("resume", "@last", "--epochs", 4)
    assert done.code == 0
    assert "warning: blas changed, so results may not be bit-identical" in done.err


@pytest.fixture
def long(tmp_path):
    """A config whose epochs take long enough to be caught inside one."""
    path = tmp_path / "long.yaml"
    path.write_text("dataset: digits\nlayers: [64, 300, 10]\neta: 0.5\nepochs: 4\nbatch_size: 1\n")
    return path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_resumed_run_is_bit_identical(backprop, long, number, code):
    backprop("train", long, "--name", "whole")
    with running("train", long, "--name", "parts") as process:
        time.sleep(0.01)  # into the second epoch
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert "stopped in epoch" in err
    assert "backprop resume runs/parts" in err
    assert "interrupted" in out
    status = read_checkpoint(Path("runs/parts/checkpoints/last.npz")).meta.status
    assert 1 <= status.epoch < 4
    assert 0 < status.step < 1197
    assert status.seconds > 0  # the time of the part, which the row of the epoch will have in it
    assert record_of("parts")["status"] == "interrupted"
    assert backprop("resume", "parts").code == 0
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/parts/checkpoints/last.npz")
    assert numbers(Path("runs/whole/metrics.csv")) == numbers(Path("runs/parts/metrics.csv"))
    for key in ("best", "final", "test", "epochs", "status"):
        assert record_of("whole")[key] == record_of("parts")[key]


def test_a_killed_run_resumes_to_the_same_bits(backprop, long):
    backprop("train", long, "--name", "whole")
    with running("train", long, "--name", "parts") as process:
        process.kill()
    (Path("runs/parts/checkpoints") / ".last.npz.123.tmp").write_text("half a checkpoint")
    assert record_of("parts")["status"] == "running"
    assert backprop("resume", "parts").code == 0
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/parts/checkpoints/last.npz")
    assert numbers(Path("runs/whole/metrics.csv")) == numbers(Path("runs/parts/metrics.csv"))
    assert record_of("whole")["best"] == record_of("parts")["best"]
    assert sorted(os.listdir("runs/parts/checkpoints")) == ["best.npz", "last.npz"]


def test_the_record_of_an_extended_run_is_of_its_new_end(backprop, tiny):
    backprop("train", tiny, "--name", "run")
    before = record_of("run")
    Path("runs/run/run.json").write_text(json.dumps({**before, "diverged": {"epoch": 1, "step": 1}}))
    with running("resume", "run", "--epochs", 100_000) as process:
        assert "test" not in record_of("run")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
    after = record_of("run")
    assert "test" not in after
    assert "diverged" not in after
    assert (after["status"], after["started"], after["argv"]) == ("interrupted", before["started"], before["argv"])
    assert after["epochs"] > 3


def test_a_run_has_one_owner(backprop, long):
    with running("train", long, "--name", "run", "epochs=1000"):
        for words in (("resume", "run"), ("train", long, "--name", "run", "--overwrite")):
            done = backprop(*words)
            assert done.code == 1
            assert "runs/run is being trained by another process" in done.err
    assert backprop("resume", "run", "--epochs", 3).code in (0, 2)  # its owner is dead


def test_a_crash_after_the_metrics_row_does_not_repeat_the_row(backprop, tiny, tmp_path):
    backprop("train", tiny, "--name", "whole")
    backprop("train", tiny, "epochs=2", "--name", "parts")
    with (tmp_path / "runs/parts/metrics.csv").open("a") as file:
        file.write("3,0.1,0.9,0.1,0.9,1,0.1\n4,0.")
    backprop("resume", "parts", "--epochs", 3)
    assert numbers(tmp_path / "runs/whole/metrics.csv") == numbers(tmp_path / "runs/parts/metrics.csv")


def test_float64_runs_resume_in_float64(backprop, tiny):
    backprop("train", tiny, "dtype=float64", "epochs=2", "--name", "parts")
    backprop("resume", "parts", "--epochs", 4)
    backprop("train", tiny, "dtype=float64", "epochs=4", "--name", "whole")
    assert read_checkpoint(Path("runs/parts/checkpoints/last.npz")).parameters["W1"].dtype == np.float64
    assert same_bits("runs/whole/checkpoints/last.npz", "runs/parts/checkpoints/last.npz")


def test_resume_finishes_a_run_killed_before_its_final_test(backprop, tiny):
    backprop("train", tiny, "--name", "run")
    record = record_of("run")
    Path("runs/run/run.json").write_text(json.dumps({**record, "status": "running", "test": None, "seconds": None}))
    assert backprop("resume", "run").code == 0
    assert (record_of("run")["status"], record_of("run")["test"]) == ("finished", record["test"])


def test_resume_reports_what_was_changed_or_lost_in_the_folder(backprop, tiny):
    backprop("train", tiny, "--name", "run")
    Path("runs/run/config.yaml").write_text("eta: 0.7")
    Path("runs/run/checkpoints/best.npz").unlink()
    lines = Path("runs/run/metrics.csv").read_text().splitlines(keepends=True)
    Path("runs/run/metrics.csv").write_text("".join([*lines[:2], lines[3]]))
    done = backprop("resume", "run", "--epochs", 5)
    assert done.code == 0
    assert "config.yaml was changed since the run started" in done.err
    assert "metrics.csv has 2 valid rows for 3 epochs" in done.err
    assert "best.npz: cannot be read" in done.err
    assert record_of("run")["best"]["epoch"] in (4, 5)
    assert record_of("run")["status"] == "finished"
