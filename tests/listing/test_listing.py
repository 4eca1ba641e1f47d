"""What `runs list` shows of many runs: conditions, columns, folders of runs, CSV."""

import csv
import io
import json
from pathlib import Path

import pytest

from backprop_cli.listing.settings import group_name, telling_keys
from tests.cli.helpers import on_a_terminal
from tests.cli.test_runs import make, names, table_of

ADAM = {"name": "adam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
ADAGRAD = {"name": "adagrad", "eps": 1e-10}


def listed(backprop, *words):
    done = backprop("runs", "list", "-q", *words)
    assert (done.code, done.err) == (0, "")
    return [path.removeprefix("runs/") for path in done.out.split()]


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("val_accuracy>0.9", "bc"),
        ("val_accuracy>=0.9", "abc"),
        ("val_accuracy > 92%", "c"),
        ("test_accuracy<0.5", "b"),
        ("eta<=0.5", "ac"),
        ("eta!=0.5", "bd"),
        ("eta==0.5", "ac"),
        ("status!=finished", "d"),
        ("optimizer!=adam", "acd"),
        ("optimizer.beta1!=0.9", "acd"),
        ("optimizer.beta1>0", "b"),
        ("seconds<2", "abd"),
        ("best_epoch=7", "abcd"),
        ("started>=2026-02-01", "b"),
        ("started<2026-02-01", "a"),
        ("activation>0", ""),
        ("early_stopping!=null", "c"),
        ("early_stopping=null", "abd"),
        ("run=c", "c"),
    ],
)
def test_conditions_compare_metrics_status_and_config_keys(backprop, condition, chosen):
    make("a", eta=0.5, activation="relu")
    make("b", accuracy=0.91, test=0.4, eta=3, optimizer=ADAM)
    make("c", accuracy=0.99, seconds=5, eta=0.5, early_stopping={"patience": 5})
    make("d", accuracy=None, eta=None, status="diverged")
    for name, month in (("a", 1), ("b", 2)):
        path = Path("runs", name, "run.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"started": f"2026-0{month}-15T10:00:00+00:00"}))
    assert listed(backprop, "--where", condition) == list(chosen)


def test_a_condition_without_an_operator_is_told_to_use_quotes(backprop):
    make("a")
    done = backprop("runs", "list", "--where", "val_accuracy")
    assert (done.code, done.out) == (2, "")
    assert "in quotes 'val_accuracy>0.9'" in done.err
    done = backprop("runs", "list", "--where", "eta>>3")
    assert "--where eta>>3: expected KEY=VALUE" in done.err
    done = backprop("runs", "list", "--where", "val_acuracy>0.9")
    assert "did you mean 'val_accuracy'?" in done.err


def test_top_shows_the_first_rows_with_the_columns_of_all(backprop):
    for name, accuracy, eta in (("a", 0.7, 1.0), ("b", 0.9, 3.0), ("c", 0.8, 3.0)):
        make(name, accuracy=accuracy, eta=eta)
    rows = table_of(backprop("runs", "list", "--sort", "-val_accuracy", "--top", "2"))
    assert [(row["run"], row["eta"]) for row in rows] == [("b", "3.0"), ("c", "3.0")]
    assert listed(backprop, "--sort", "-val_accuracy", "--top", "1") == ["b"]
    assert len(json.loads(backprop("runs", "list", "--top", "2", "--json").out)["runs"]) == 2
    assert backprop("runs", "list", "--top", "0").code == 2


def test_columns_are_those_that_are_asked_for(backprop):
    make("a", activation="tanh")
    make("b", optimizer=ADAM)
    rows = table_of(backprop("runs", "list", "--columns", "name,val_cost,eta,time"))
    assert rows == [{"run": name, "val_cost": "0.2000", "eta": "1.0", "seconds": "1.50 s"} for name in "ab"]
    everything = backprop("runs", "list", "--columns", "all").out.splitlines()[0].split()
    assert {"started", "train_cost", "best_epoch", "activation", "optimizer", "optimizer.beta1"} <= set(everything)
    done = backprop("runs", "list", "--columns", "run,etta")
    assert (done.code, done.err) == (2, "error: no run has a column 'etta'; did you mean 'eta'?\n")


def test_csv_has_the_same_columns_for_any_runs(backprop):
    make("a", eta=0.5)
    done = [backprop("runs", "list", "--csv").out]
    make("b", optimizer=ADAM, early_stopping={"patience": 5}, dataset={"name": "moons", "noise": 0.1})
    done.append(backprop("runs", "list", "--csv").out)
    one, both = (list(csv.DictReader(io.StringIO(text))) for text in done)
    assert one[0].keys() == both[0].keys()
    metrics = {f"{split}_{name}" for split in ("val", "test", "train") for name in ("accuracy", "cost", "rmse", "r2")}
    assert {*metrics, "started", "best_epoch", "epochs", "seconds", "eta", "seed", "optimizer.mu"} <= both[0].keys()
    assert (both[0]["eta"], both[0]["val_cost"], both[0]["test_cost"], both[0]["best_epoch"]) == (
        "0.5",
        "0.2",
        "0.3",
        "7",
    )
    assert (both[1]["optimizer"], both[1]["optimizer.beta1"], both[1]["dataset.noise"]) == ("adam", "0.9", "0.1")
    assert json.loads(both[1]["early_stopping"]) == {"patience": 5}


def test_csv_of_groups_has_a_deviation_beside_every_metric(backprop):
    for seed, accuracy in enumerate((0.8, 0.9)):
        make(f"s{seed}", seed=seed, accuracy=accuracy)
    (row,) = table_of(backprop("runs", "list", "--group-by-seed", "--columns", "run,best_epoch,n"))
    assert row == {"run": "s0 … s1", "best_epoch": "7", "n": "2"}
    (row,) = csv.DictReader(io.StringIO(backprop("runs", "list", "--group-by-seed", "--csv").out))
    assert (row["run"], row["n"]) == ("runs/s0 … s1", "2")
    assert float(row["val_accuracy_std"]) == pytest.approx(0.1 / 2**0.5)
    assert {"test_cost_std", "seconds_std", "eta"} <= row.keys()
    assert "seed" not in row


def test_runs_in_folders_of_runs_are_listed_by_their_place(backprop):
    make("b")
    make("a", runs="runs/sweep")
    make("c", runs="runs/sweep/deep")
    for folder in ("runs/sweep/plots", "runs/photos/2020"):
        Path(folder).mkdir(parents=True)
    done = backprop("runs", "list", "--columns", "run,status")
    assert names(done) == ["b", "sweep/a", "sweep/deep/c"]
    assert done.err.splitlines() == [
        "warning: runs/photos: not a run folder (no run.json); skipped",
        "warning: runs/sweep/plots: not a run folder (no run.json); skipped",
    ]
    assert "runs/sweep/a" in backprop("runs", "show", "sweep/a").out


def test_links_to_folders_of_runs_are_not_followed(backprop):
    make("a", runs="runs/sweep")
    Path("runs/sweep/again").symlink_to(Path("runs/sweep").resolve())
    assert names(backprop("runs", "list")) == ["sweep/a"]


def test_a_damaged_run_in_a_folder_of_runs_is_named_and_the_others_are_listed(backprop):
    make("a", runs="runs/sweep")
    (make("b", runs="runs/sweep") / "run.json").write_text("{")
    done = backprop("runs", "list")
    assert names(done) == ["sweep/a"]
    assert done.err.startswith("warning: runs/sweep/b/run.json: cannot be read")


def test_options_are_columns_only_where_runs_of_the_same_choice_differ(backprop):
    make("a", optimizer="sgd", cost="quadratic")
    make("b", optimizer=ADAM, cost={"name": "cross_entropy", "smoothing": 0.0})
    make("c", optimizer=ADAGRAD, cost={"name": "cross_entropy", "smoothing": 0.0})
    (header, *_) = backprop("runs", "list").out.splitlines()
    assert header.split()[6:] == ["optimizer", "cost"]
    make("d", optimizer={**ADAM, "beta1": 0.5}, cost={"name": "cross_entropy", "smoothing": 0.1})
    (header, *_) = backprop("runs", "list").out.splitlines()
    assert set(header.split()[6:]) == {"optimizer", "cost", "cost.smoothing", "optimizer.beta1"}


def test_the_most_telling_key_is_the_first_and_the_seed_the_last():
    configs = [{"batch_size": 10, "eta": eta, "seed": seed, "dataset": "xor"} for eta in (1, 2) for seed in range(5)]
    configs[0]["batch_size"] = 20
    assert telling_keys(configs) == ["eta", "batch_size", "seed"]
    configs[1]["dataset"] = "and"
    assert telling_keys(configs) == ["dataset", "eta", "batch_size", "seed"]


def test_options_without_a_name_that_only_some_runs_have_are_one_column():
    some = {"early_stopping.patience": 5, "early_stopping.min_delta": 0.0}
    assert telling_keys([{"eta": 1}, {"eta": 1, **some}]) == ["early_stopping"]
    assert telling_keys([{}, some, {**some, "early_stopping.patience": 9}]) == ["early_stopping.patience"]


def test_names_and_layers_are_sorted_by_the_numbers_in_them(backprop):
    for number, units in ((10, 30), (9, 100), (1, 9)):
        make(f"run-{number}", layers=[64, units, 10])
    assert listed(backprop) == ["run-1", "run-9", "run-10"]
    assert listed(backprop, "--sort", "layers") == ["run-1", "run-10", "run-9"]


@pytest.mark.parametrize(
    ("runs", "name"),
    [
        (["a"], "a"),
        (["a", "b", "c"], "a … c"),
        (["eta1-s0", "eta1-s4"], "eta1-s0 … s4"),
        (["sweep/a", "sweep/b"], "sweep/a … b"),
        (["x-1", "x-1-b"], "x-1 … 1-b"),
    ],
)
def test_a_group_is_named_as_a_group(runs, name):
    assert group_name(runs) == name


@pytest.mark.parametrize("width", [80, 120])
def test_a_list_of_mixed_runs_fits_the_terminal(tmp_path, width):
    for number in range(6):
        options = {f"key_number_{k}": f"value-{number}-{k}" for k in range(9)}
        make(f"run-{number}", runs=tmp_path / "runs", optimizer=(ADAM, ADAGRAD)[number % 2], **options)
    code, text = on_a_terminal(tmp_path, "runs", "list", size=(24, width))
    lines = text.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= width
    (hint,) = (line for line in lines if line.startswith("not shown: "))
    assert hint.endswith(" more (see --columns)")
    assert "optimizer.eps" not in text
