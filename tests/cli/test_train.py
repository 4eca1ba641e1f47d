import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.cli.helpers import numbers, same_bits
from tests.conftest import ROOT


def test_training_creates_a_complete_run(backprop, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["backprop", "train", str(tiny)])
    done = backprop("train", tiny)
    run = tmp_path / "runs" / "tiny-001"
    assert done.code == 0
    assert sorted(p.name for p in run.iterdir()) == ["checkpoints", "config.yaml", "metrics.csv", "run.json"]
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best.npz", "last.npz"]
    assert [row["epoch"] for row in numbers(run / "metrics.csv")] == ["1", "2", "3"]
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["argv"] == ["train", str(tiny)]
    assert record["parameters"] == 65 * 12 + 13 * 10
    assert set(record["versions"]) == {"backprop", "numpy", "scipy", "python"}
    assert record["blas"]["threads"] == 1
    assert set(record["data"]["sha256"]) == {"digits.npz"}
    highest = max(float(row["val_accuracy"]) for row in numbers(run / "metrics.csv"))
    assert record["best"]["val_accuracy"] == pytest.approx(highest, rel=1e-5)
    assert record["final"]["epoch"] == record["epochs"] == 3
    assert 0 < record["test"]["accuracy"] <= 1


def test_without_a_terminal_each_epoch_is_a_plain_line(backprop, tiny):
    done = backprop("train", tiny)
    assert "\r" not in done.err
    assert (
        len(re.findall(r"^epoch [123]/3  train cost .* accuracy .*  validation cost .* accuracy ", done.err, re.M)) == 3
    )
    assert re.search(r"^best epoch  \d of 3: validation accuracy .*%, test accuracy .*%$", done.out, re.M)
    assert "backprop eval runs/tiny-001" in done.out
    assert "backprop resume runs/tiny-001 --epochs 6" in done.out


@pytest.mark.parametrize(
    ("epochs", "shown"),
    [(50, range(1, 51)), (51, [*range(1, 6), *range(10, 51, 5), 51]), (2000, [*range(1, 6), *range(200, 2001, 200)])],
)
def test_of_many_epochs_about_twenty_are_printed_as_lines(backprop, epochs, shown):
    done = backprop("train", "xor", f"epochs={epochs}")
    found = [int(number) for number in re.findall(r"^epoch +(\d+)/", done.err, re.M)]
    assert found == list(shown)
    hidden = [int(text.replace(",", "")) for text in re.findall(r"^(.*) epochs are not shown; -v", done.err, re.M)]
    assert sum(hidden) == epochs - len(found)


def test_verbose_training_prints_every_epoch(backprop):
    done = backprop("train", "xor", "epochs=60", "-v")
    assert (len(re.findall("^epoch ", done.err, re.M)), "not shown" in done.err) == (60, False)


def test_the_last_epoch_before_divergence_and_the_first_after_resuming_are_printed(backprop):
    backprop("train", "xor", "epochs=3")
    done = backprop("resume", "@last", "--epochs", 204)
    assert re.findall(r"^epoch +(\d+)/", done.err, re.M) == [*"45678", *map(str, range(20, 201, 20)), "204"]
    done = backprop("train", "xor", "layers=2-1", "activation=identity", "eta=2", "epochs=3000")
    last = json.loads(Path("runs/xor-002/run.json").read_text())["diverged"]["epoch"] - 1
    assert done.code == 3
    assert re.findall(r"^epoch +(\d+)/", done.err, re.M) == [*"12345", str(last)]
    assert f"{last - 6} epochs are not shown" in done.err


def test_quiet_training_prints_the_folder_and_nothing_else(backprop, tiny):
    done = backprop("train", tiny, "-q")
    assert (done.out, done.err) == ("runs/tiny-001\n", "")


def test_json_is_exactly_one_object(backprop, tiny, tmp_path):
    done = backprop("train", tiny, "--json", "-q")
    result = json.loads(done.out)
    assert result["run"] == "runs/tiny-001"
    assert result["status"] == "finished"
    record = json.loads((tmp_path / "runs/tiny-001/run.json").read_text())
    assert (result["test"], result["experiment"]) == (record["test"], record["experiment"])
    rows = numbers(tmp_path / "runs/tiny-001/metrics.csv")
    assert result["history"]["epoch"] == [1, 2, 3]
    assert result["history"]["val_accuracy"] == [float(row["val_accuracy"]) for row in rows]
    assert json.loads(backprop("resume", "@last", "--json").out) == result


def test_the_config_in_the_folder_repeats_the_run_to_the_bit(backprop, tiny, tmp_path):
    backprop("train", tiny, "eta=0.7", "seed=5", "optimizer=momentum", "lambda=0.1")
    assert yaml.safe_load((tmp_path / "runs/tiny-001/config.yaml").read_text())["eta"] == 0.7
    backprop("train", "runs/tiny-001/config.yaml", "--name", "again")
    assert same_bits("runs/tiny-001/checkpoints/last.npz", "runs/again/checkpoints/last.npz")
    assert numbers(tmp_path / "runs/tiny-001/metrics.csv") == numbers(tmp_path / "runs/again/metrics.csv")


def test_divergence_is_located_with_advice_and_keeps_the_last_good_checkpoint(backprop, tmp_path):
    config = tmp_path / "wild.yaml"
    config.write_text("dataset: digits\nlayers: 64-20-10\nactivation: relu\noutput: identity\neta: 0.45\nseed: 1\n")
    done = backprop("train", config, "epochs=200", "eta=2", "initializer=normal")
    assert done.code == 3
    assert re.search(r"^error: training diverged in epoch \d+, step \d+ of 120", done.err, re.M)
    eta = re.search(r"try (eta=\S+),", done.err)[1]
    better = backprop("train", config, "epochs=20", eta, "initializer=scaled", "--name", "better", "--json")
    assert json.loads(better.out)["best"]["val_accuracy"] > 0.7
    record = json.loads((tmp_path / "runs/wild-001/run.json").read_text())
    assert record["status"] == "diverged"
    last = read_checkpoint(Path("runs/wild-001/checkpoints/last.npz"))
    assert "diverged" in done.out
    again = backprop("train", config, "epochs=200", "eta=2", "initializer=normal", "--json", "-q")
    assert again.code == 3
    assert json.loads(again.out)["run"] == "runs/wild-002"
    assert all(np.isfinite(array).all() for array in last.parameters.values())


def test_an_existing_name_is_an_error_unless_overwritten(backprop, tiny):
    assert backprop("train", tiny, "--name", "mine").code == 0
    again = backprop("train", tiny, "--name", "mine")
    assert again.code == 1
    assert "--overwrite" in again.err
    assert backprop("train", tiny, "--name", "mine", "--overwrite").code == 0
    assert backprop("train", tiny, "--name", "../mine").code == 2


def test_overwrite_replaces_a_run_that_never_started(backprop, tiny):
    Path("runs/mine/checkpoints").mkdir(parents=True)
    assert backprop("train", tiny, "--name", "mine").code == 1
    assert backprop("train", tiny, "--name", "mine", "--overwrite").code == 0


def test_dry_run_prints_the_experiment_and_writes_nothing(backprop, tiny, tmp_path):
    done = backprop("train", tiny, "--dry-run", "eta=0.25")
    assert done.code == 0
    assert "eta: 0.25" in done.out
    assert not (tmp_path / "runs").exists()


def test_config_errors_come_all_at_once_with_exit_2(backprop, tiny, tmp_path):
    done = backprop("train", tiny, "epoch=3", "eta=-1", "layers=64-12-9")
    assert done.code == 2
    assert done.err.startswith("error: the config has 3 errors\n")
    assert not (tmp_path / "runs").exists()


def test_without_validation_the_last_epoch_is_the_best(backprop, tiny, tmp_path):
    done = backprop("train", tiny, "validation=0")
    assert done.code == 0
    assert "best epoch  3 of 3: the last one, as there is no validation split" in done.out
    assert numbers(tmp_path / "runs/tiny-001/metrics.csv")[0]["val_accuracy"] == ""


@pytest.mark.parametrize(("validation", "split"), [(20, "val"), (0, "train")])
def test_the_next_command_evaluates_on_a_split_that_there_is(backprop, tmp_path, validation, split):
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{k % 7},{'xy'[k % 7 > 3]}\n" for k in range(80)))
    words = ("rows.csv", "target=b", "dataset.test=0", f"validation={validation}", "epochs=2")
    done = backprop("train", *words, "--name", "rows")
    assert f"next        backprop eval runs/rows --split {split}\n" in done.out
    assert backprop("eval", "runs/rows", "--split", split).code == 0


def test_mnist_is_downloaded_on_first_use_and_never_again(backprop, serve, mnist_folder, tmp_path):
    mirror = serve(mnist_folder)
    words = ("train", ROOT / "configs/mnist.yaml", "epochs=1", "train_size=1000", "--data-dir", tmp_path / "cache")
    assert backprop(*words, "--mirror", mirror.url).code == 0
    assert len(mirror.requests) == 4
    assert backprop(*words, "--offline").code == 0


def test_unavailable_data_is_exit_5_and_creates_no_run(backprop, tmp_path):
    done = backprop("train", ROOT / "configs/mnist.yaml", "--offline", "--data-dir", tmp_path / "cache")
    assert done.code == 5
    assert "configs/digits.yaml" in done.err
    assert str(tmp_path / "cache" / "mnist") in done.err
    names = [f"{split}-{what}-ubyte.gz" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
    assert f"mnist has 4 files in {tmp_path / 'cache' / 'mnist'}: {', '.join(names)}" in done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&1 | head -1", ">&- 2>&-"])
def test_losing_the_console_does_not_end_training(tiny, tmp_path, redirection):
    command = f"{sys.executable} -m backprop_cli train {tiny} --name run {redirection}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, timeout=30)
    assert json.loads((tmp_path / "runs/run/run.json").read_text())["status"] == "finished"


def test_a_closed_pipe_is_not_an_error_and_a_full_disk_is(backprop, tiny, tmp_path):
    backprop("train", tiny, "--name", "run")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for redirection, code, message in (("| true", 0, ""), ("> /dev/full", 1, "cannot write to stdout")):
        command = f"set -o pipefail; {sys.executable} -m backprop_cli eval run {redirection}"
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (done.returncode, message in done.stderr) == (code, True)


def test_a_cost_that_is_not_finite_is_null_in_json(backprop, tiny, tmp_path):
    words = ("layers=64-10", "output=identity", "activation=identity", "validation=0", "train_size=1", "batch_size=1")
    done = backprop("train", tiny, *words, "epochs=12", "eta=3.119899647270598", "--json")
    for text in (done.out, (tmp_path / "runs/tiny-001/run.json").read_text()):
        json.loads(text, parse_constant=pytest.fail)


def test_file_names_need_not_be_utf8(backprop, tiny, tmp_path):
    config = os.fsencode(tmp_path) + b"/caf\xe9.yaml"
    with open(config, "wb") as file:
        file.write(tiny.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "backprop_cli", "train", config, "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert backprop("check", tiny, "\udcff=3").code == 2
