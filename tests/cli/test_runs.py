import csv
import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import termios
from pathlib import Path
from statistics import mean, stdev

import pytest

from tests.cli.helpers import record_of, running
from tests.conftest import ROOT


def make(name, status="finished", accuracy=0.9, test=0.8, done=10, seconds=1.5, runs="runs", **config):
    """Create the files of a run that `runs` reads."""
    folder = Path(runs, name)
    (folder / "checkpoints").mkdir(parents=True)
    experiment = {"dataset": "digits", "layers": [64, 10], "eta": 1.0, "epochs": 10, "seed": 0, **config}
    best = {"epoch": 7, "train_cost": 0.1, "train_accuracy": 0.95, "val_cost": 0.2, "val_accuracy": accuracy}
    record = {"status": status, "epochs": done, "seconds": seconds, "best": best, "experiment": experiment}
    record |= {"test": {"cost": 0.3, "accuracy": test}} if status == "finished" else {}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def table_of(done):
    """The cells of a table by row and column; no cell here has two spaces in it, or is empty before the last."""
    header, *rows = [re.split(r"  +", line.strip()) for line in done.out.splitlines()]
    return [dict(zip(header, row, strict=False)) for row in rows]


def names(done):
    return [row["run"] for row in table_of(done)]


def test_list_shows_metrics_and_the_config_keys_that_differ(backprop):
    make("a", eta=0.5, optimizer={"name": "momentum", "mu": 0.9})
    make("b", accuracy=0.95, done=8, seconds=75, eta=3.0, optimizer={"name": "momentum", "mu": 0.5})
    done = backprop("runs", "list")
    assert done.code == 0
    assert table_of(done) == [
        {"run": "a", "status": "finished", "val_accuracy": "90.00%", "test_accuracy": "80.00%", "epochs": "10"}
        | {"seconds": "1.50 s", "eta": "0.5", "optimizer.mu": "0.9"},
        {"run": "b", "status": "finished", "val_accuracy": "95.00%", "test_accuracy": "80.00%", "epochs": "8/10"}
        | {"seconds": "1 min 15 s", "eta": "3.0", "optimizer.mu": "0.5"},
    ]
    assert done.err == ""


def test_list_agrees_with_the_record_of_a_trained_run(backprop, tiny):
    backprop("train", tiny, "epochs=1")
    (row,) = csv.DictReader(io.StringIO(backprop("runs", "list", "--csv").out))
    record = record_of("tiny-001")
    assert (row["run"], row["status"], row["epochs"]) == ("runs/tiny-001", "finished", "1")
    assert float(row["val_accuracy"]) == record["best"]["val_accuracy"]
    assert float(row["test_accuracy"]) == record["test"]["accuracy"]
    (data,) = json.loads(backprop("runs", "list", "--json").out)["runs"]
    assert data["val_cost"] == record["best"]["val_cost"]
    assert data["experiment"]["layers"] == [64, 12, 10]


def test_list_shows_r2_of_a_regression_run(backprop, tmp_path):
    words = ("dataset: sine", "layers: 1-4-1", "output: identity", "epochs: 2", "eta: 0.1")
    (tmp_path / "sine.yaml").write_text("\n".join(words))
    backprop("train", "sine.yaml")
    (row,) = table_of(backprop("runs", "list", "--sort", "val_cost"))
    record = record_of("sine-001")
    assert row["val_r2"] == f"{record['best']['val_r2']:.4f}"
    assert row["test_r2"] == f"{record['test']['r2']:.4f}"
    assert row["val_cost"] == f"{record['best']['val_cost']:.4f}"


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ((), "abc"),
        (("--reverse",), "cba"),
        (("--sort", "-val_accuracy"), "bac"),
        (("--sort", "val_accuracy"), "abc"),
        (("--sort", "-val_accuracy", "--reverse"), "abc"),
        (("--sort", "time"), "bca"),
        (("--sort", "eta"), "cab"),
        (("--sort", "-optimizer.mu"), "bac"),
        (("--sort", "name"), "abc"),
    ],
)
def test_sort_by_any_column_puts_missing_values_last(backprop, words, order):
    make("a", accuracy=0.5, seconds=9, eta=2.0, optimizer={"name": "momentum", "mu": 0.5})
    make("b", accuracy=0.7, seconds=2, eta=10.0, optimizer={"name": "momentum", "mu": 0.9})
    make("c", accuracy=None, seconds=5, eta=0.5, optimizer="sgd")
    assert backprop("runs", "list", *words, "-q").out.split() == [f"runs/{name}" for name in order]


@pytest.mark.parametrize(
    ("conditions", "chosen"),
    [
        (["eta=3"], "a"),
        (["eta=3e0"], "a"),
        (["η=0.5"], "bc"),
        (["optimizer.mu=0.9"], "b"),
        (["optimizer=momentum"], "bc"),
        (["optimizer.name=momentum", "optimizer.mu=0.5"], "c"),
        (["optimizer={name: momentum, mu: 0.5}"], "c"),
        (["optimizer.mu=null"], "a"),
        (["layers=64-30-10"], "c"),
        (["layers=[64, 30, 10]"], "c"),
        (["status=diverged"], "b"),
        (["eta=0.5", "status=finished"], "c"),
        (["seed=7"], ""),
        (["seed=false"], ""),
    ],
)
def test_where_filters_by_config_and_status(backprop, conditions, chosen):
    make("a", eta=3.0, optimizer="sgd")
    make("b", eta=0.5, optimizer={"name": "momentum", "mu": 0.9}, status="diverged")
    make("c", eta=0.5, optimizer={"name": "momentum", "mu": 0.5}, layers=[64, 30, 10])
    words = [word for condition in conditions for word in ("--where", condition)]
    done = backprop("runs", "list", "-q", *words)
    assert done.code == 0
    assert done.out.split() == [f"runs/{name}" for name in chosen]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--where", "eat=3"), "no run has a key 'eat'; did you mean 'eta'?"),
        (("--where", "eta"), "--where eta: expected KEY=VALUE"),
        (("--where", "eta=[1"), "--where eta=[1: invalid YAML"),
        (("--sort", "val_acuracy"), "no run has a column 'val_acuracy'; did you mean 'val_accuracy'?"),
        (("--csv", "--json"), "--csv and --json"),
    ],
)
def test_invalid_arguments_of_list_are_usage_errors(backprop, words, said):
    make("a")
    done = backprop("runs", "list", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_group_by_seed_shows_mean_and_standard_deviation(backprop):
    accuracies = [0.90, 0.92, 0.97]
    for seed, accuracy in enumerate(accuracies):
        make(f"x{seed}", seed=seed, accuracy=accuracy, status="diverged" if seed == 2 else "finished")
    make("y", eta=2.0, seed=9)
    x, y = table_of(backprop("runs", "list", "--group-by-seed"))
    assert x["val_accuracy"] == f"{100 * mean(accuracies):.2f} ± {100 * stdev(accuracies):.2f}%"
    assert (x["n"], x["status"], x["eta"]) == ("3", "2 finished, 1 diverged", "1.0")
    assert (y["n"], y["val_accuracy"], y["eta"]) == ("1", "90.00%", "2.0")
    assert "seed" not in x
    assert (x["run"], y["run"]) == ("x0 … x2", "y")
    row, _ = csv.DictReader(io.StringIO(backprop("runs", "list", "--group-by-seed", "--csv").out))
    assert float(row["val_accuracy_std"]) == pytest.approx(stdev(accuracies))
    group, _ = json.loads(backprop("runs", "list", "--group-by-seed", "--json").out)["groups"]
    assert group["runs"] == ["runs/x0", "runs/x1", "runs/x2"]
    assert group["val_accuracy"]["mean"] == pytest.approx(mean(accuracies))
    assert backprop("runs", "list", "--group-by-seed", "-q").out.split() == [
        f"runs/{n}" for n in ("x0", "x1", "x2", "y")
    ]


def test_a_repeated_seed_is_not_a_replicate(backprop):
    for name, seed, accuracy, done in (("a", 0, 0.9, 10), ("b", 1, 0.8, 10), ("again", 0, 0.5, 4)):
        make(name, seed=seed, accuracy=accuracy, done=done)
    done = backprop("runs", "list", "--group-by-seed")
    (row,) = table_of(done)
    assert (row["n"], row["val_accuracy"]) == ("2", f"85.00 ± {100 * stdev([0.9, 0.8]):.2f}%")
    assert done.err == "warning: same config and seed as another run of a … b, not counted: again\n"
    (group,) = json.loads(backprop("runs", "list", "--group-by-seed", "--json").out)["groups"]
    assert (group["n"], group["duplicates"]) == (2, ["runs/again"])
    assert sorted(group["runs"]) == ["runs/a", "runs/again", "runs/b"]


@pytest.mark.parametrize(
    "words",
    [
        ("dataset=digits", "layers=64-8-10", "train_size=100"),
        ("dataset=digits", "layers=64-8-10", "train_size=100", "early_stopping={monitor: cost, patience: 9}"),
        ("dataset=digits", "layers=64-8-10", "train_size=100", "validation=0"),
        ("dataset=sine", "layers=1-8-1", "activation=tanh", "eta=0.3"),
    ],
    ids=["accuracy", "cost", "no validation", "regression"],
)
def test_best_epoch_of_an_unfinished_run_is_the_one_that_training_selects(backprop, tmp_path, words):
    (tmp_path / "c.yaml").write_text("epochs: 8\neta: 1.0\ndataset: digits\nlayers: [64, 10]\n")
    assert backprop("train", "c.yaml", *words, "--name", "run").code == 0
    record = record_of("run")
    unfinished = {key: value for key, value in record.items() if key not in ("best", "test")} | {"status": "running"}
    Path("runs/run/run.json").write_text(json.dumps(unfinished))
    (run,) = json.loads(backprop("runs", "list", "--json").out)["runs"]
    assert run["best_epoch"] == record["best"]["epoch"]
    assert run["val_cost" if record["best"].get("val_cost") else "train_cost"] == pytest.approx(
        record["best"]["val_cost"] or record["best"]["train_cost"], rel=1e-5
    )


def test_status_of_a_run_in_training_is_running_and_of_a_killed_one_dead(backprop, tmp_path):
    config = tmp_path / "long.yaml"
    config.write_text("dataset: digits\nlayers: [64, 300, 10]\nbatch_size: 1\nepochs: 1000\n")
    with running("train", config, "--name", "run"):
        (row,) = table_of(backprop("runs", "list"))
        assert row["status"] == "running"
        assert re.fullmatch(r"[1-9][0-9]*/1000", row["epochs"])
        assert row["val_accuracy"].endswith("%")
        done = backprop("runs", "rm", "run", "--yes")
        assert done.code == 1
        assert "runs/run is being trained by another process" in done.err
    assert record_of("run")["status"] == "running"
    assert names(backprop("runs", "list", "--where", "status=dead")) == ["run"]
    assert "(dead)" in backprop("runs", "show", "run").out
    assert backprop("runs", "rm", "run", "--yes").code == 0


def test_folders_that_are_not_runs_are_named_and_skipped(backprop):
    make("good")
    Path("runs/photos").mkdir()
    Path("runs/.cache").mkdir()
    Path("runs/notes.txt").write_text("…")
    for name, text in (("torn", '{"status": "fin'), ("other", "[1]"), ("odd", '{"status": 3, "experiment": {}}')):
        Path("runs", name).mkdir()
        Path("runs", name, "run.json").write_text(text)
    done = backprop("runs", "list")
    assert names(done) == ["good"]
    assert [line.split(":")[1].strip() for line in done.err.splitlines()] == [
        "runs/odd/run.json",
        "runs/other/run.json",
        "runs/photos",
        "runs/torn/run.json",
    ]


def test_many_folders_that_are_not_runs_are_counted(backprop):
    for number in range(12):
        Path(f"runs/{number:02d}").mkdir(parents=True)
    err = backprop("runs", "list").err.splitlines()
    assert err[5:] == ["warning: 7 more folders are not runs; skipped", "no runs in runs"]


@pytest.mark.parametrize("words", [(), ("--where", "eta=1"), ("--sort", "val_accuracy"), ("--group-by-seed",)])
def test_list_of_an_empty_folder_is_not_an_error(backprop, words):
    done = backprop("runs", "list", *words)
    assert (done.code, done.out, done.err) == (0, "", "no runs in runs\n")
    assert json.loads(backprop("runs", "list", "--json").out) == {"runs": []}


def test_list_reads_the_config_file_if_the_record_lacks_the_experiment(backprop, tiny):
    backprop("train", tiny, "eta=0.25")
    record = record_of("tiny-001")
    del record["experiment"]
    Path("runs/tiny-001/run.json").write_text(json.dumps(record))
    assert names(backprop("runs", "list", "--where", "eta=0.25")) == ["tiny-001"]


def test_list_imports_neither_numpy_nor_pydantic(tmp_path):
    make("a", runs=tmp_path / "runs")
    code = (
        "import sys\nfrom backprop_cli.cli.main import main\n"
        "try:\n    main(['runs', 'list', '--where', 'eta=1', '--group-by-seed'])\n"
        "finally:\n    print(sorted({'numpy', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "90.00%" in done.stdout


def test_table_fits_the_terminal(tmp_path):
    for name, letter in (("a", "x"), ("b", "y")):
        options = {f"option{i}": letter * 30 for i in range(8)}
        make(name, runs=tmp_path / "runs", augment={"long": letter * 100, **options})
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 100))
    env = {**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "backprop_cli", "runs", "list"]
    done = subprocess.run(command, stdout=other, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env)
    os.close(other)
    with os.fdopen(main, "rb") as terminal:
        lines = terminal.read1().decode().splitlines()
    assert [line.split()[0] for line in lines] == ["run", "a", "b"]
    assert max(map(len, lines)) <= 100
    assert "xxxx…" in lines[1]
    assert "90.00%" in lines[1]
    assert re.fullmatch(r"not shown: augment\.option.* and \d more \(see --columns\)\n", done.stderr)


def test_show_prints_command_results_and_config(backprop, tiny):
    backprop("train", tiny, "eta=0.25")
    record = record_of("tiny-001")
    out = backprop("runs", "show", "@last").out
    command = shlex.join(["backprop", *record["argv"]])
    for part in ("runs/tiny-001  (finished", command, "3 of 3", "910", "eta: 0.25"):
        assert part in out
    assert f"accuracy {record['test']['accuracy']:.2%}" in out
    assert re.search(rf"last +3 +{record['final']['train_cost']:.4f}", out)
    shown = json.loads(backprop("runs", "show", "tiny", "--json").out)
    assert shown["experiment"] == record["experiment"]
    assert shown["versions"] == record["versions"]
    assert backprop("runs", "show", "none").code == 2


def test_compare_shows_only_differences(backprop):
    make("a", eta=0.5, accuracy=0.9)
    make("b", eta=2.0, accuracy=0.95, optimizer={"name": "momentum", "mu": 0.9})
    make("c", eta=0.5, accuracy=0.9)
    lines = [line.split() for line in backprop("runs", "compare", "a", "b", "c").out.splitlines()]
    assert lines == [
        ["a", "b", "c"],
        ["eta", "0.5", "2.0", "0.5"],
        ["optimizer", "momentum"],
        ["optimizer.mu", "0.9"],
        ["val_accuracy", "90.00%", "95.00%", "90.00%"],
    ]
    data = json.loads(backprop("runs", "compare", "a", "b", "--json").out)
    assert data["differences"]["eta"] == [0.5, 2.0]
    assert backprop("runs", "compare", "a").code == 2
    done = backprop("runs", "compare", "a", "runs/a")
    assert (done.code, done.err) == (2, "error: runs/a is given twice; a comparison needs different runs\n")


def test_rm_removes_the_given_runs(backprop):
    for name in ("a1", "a2", "b"):
        make(name)
    done = backprop("runs", "rm", "a1", "runs/a2", "a1", "--yes")
    assert (done.code, done.out) == (0, "removed runs/a1\nremoved runs/a2\n")
    assert os.listdir("runs") == ["b"]


def test_rm_without_a_terminal_requires_yes(backprop, monkeypatch):
    make("a")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    done = backprop("runs", "rm", "a")
    assert done.code == 2
    assert "--yes" in done.err
    assert Path("runs/a/run.json").exists()


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", ["a"]), (b"y\n", [])])
def test_rm_on_a_terminal_asks_for_confirmation(tmp_path, answer, left):
    make("a", runs=tmp_path / "runs")
    main, other = pty.openpty()
    os.write(main, answer)
    command = [sys.executable, "-m", "backprop_cli", "runs", "rm", "a"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdin=other, capture_output=True, text=True, cwd=tmp_path, env=env)
    os.close(other)
    os.close(main)
    assert "remove runs/a? [y/N]" in done.stderr
    assert done.returncode == 0
    assert os.listdir(tmp_path / "runs") == left


def test_rm_removes_nothing_if_one_folder_is_not_a_run(backprop):
    make("a")
    Path("runs/report").mkdir()
    Path("runs/report/run.json").write_text('{"status": "finished"}')  # but none of this program's
    Path("photos").mkdir()
    for other, code in (("report", 1), ("photos", 2), (".", 2), ("runs", 2)):
        assert backprop("runs", "rm", "a", other, "--yes").code == code
    assert Path("runs/a").is_dir()
    assert Path("runs/report").is_dir()
    assert Path("photos").is_dir()


def test_rm_does_not_follow_links(backprop, tmp_path):
    elsewhere = make("far", runs="elsewhere")
    make("a")
    Path("runs/link").symlink_to(elsewhere.resolve())
    Path("runs/a/checkpoints/link").symlink_to(elsewhere.resolve())
    done = backprop("runs", "rm", "link", "--yes")
    assert done.code == 1
    assert "is a symbolic link" in done.err
    assert backprop("runs", "rm", "a", "--yes").code == 0
    assert not Path("runs/a").exists()
    assert (elsewhere / "run.json").exists()
