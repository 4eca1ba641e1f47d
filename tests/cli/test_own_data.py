"""From a file to a model in use, with nothing but the file and the name of a column."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import backprop_cli as bp

RNG = np.random.default_rng(0)
N = 200
TENURE = RNG.exponential(24, N).round(1)
CONTRACT = RNG.choice(["month", "year"], N)
CHURNED = np.where(TENURE + 20 * (CONTRACT == "year") + RNG.normal(0, 5, N) < 20, "yes", "no")


def write(path, header, *columns):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *zip(*columns, strict=True)])
    return path


@pytest.fixture(autouse=True)
def cache(backprop, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))


@pytest.fixture
def churn(tmp_path, backprop):
    tenure = ["" if k % 20 == 0 else value for k, value in enumerate(TENURE)]
    return write(tmp_path / "churn.csv", ["tenure", "contract", "churned"], tenure, CONTRACT, CHURNED)


@pytest.fixture
def prices(tmp_path, backprop):
    area = RNG.gamma(6, 20, N).round(1)
    return write(tmp_path / "prices.csv", ["area", "price"], area, (3 * area + RNG.normal(0, 9, N)).round(1))


def test_a_file_and_a_target_are_enough_to_train_a_network(backprop, churn):
    done = backprop("train", "churn.csv", "target=churned")
    assert done.code == 0, done.err
    record = json.loads((churn.parent / "runs/churn-001/run.json").read_text())
    assert record["test"]["accuracy"] > 0.8
    config = yaml.safe_load((churn.parent / "runs/churn-001/config.yaml").read_text())
    assert (config["layers"], config["output"], config["cost"]["name"]) == ([3, 64, 2], "softmax", "cross_entropy")
    assert backprop("train", "runs/churn-001/config.yaml", "--name", "again").code == 0
    again = json.loads((churn.parent / "runs/again/run.json").read_text())
    assert (again["best"], again["test"]) == (record["best"], record["test"])


def test_what_was_chosen_is_printed_once(backprop, churn):
    lines = backprop("train", "churn.csv", "target=churned").err.splitlines()
    assert lines[:6] == [
        "examples    200: 136 for training, 24 for validation, 40 for testing",
        "target      churned: 2 classes (no, yes)",
        "inputs      3 from 2 columns: tenure, contract",
        next(line for line in lines if line.startswith("missing     tenure ")),
        "network     3-64-2, relu and softmax; cross_entropy, lambda 1",
        "training    adam, eta 0.01, batches of 32, 60 epochs or 10 without a better validation cost",
    ]
    assert lines[6] == "training 3-64-2 on churn.csv, in runs/churn-001"


def test_a_guess_can_be_set_otherwise_and_every_key_overridden(backprop, tmp_path, prices):
    done = backprop("check", "prices.csv", "target=price", "eta=0.1", "layers=auto-5-auto", "optimizer=momentum")
    values = yaml.safe_load(done.out)
    assert (values["layers"], values["output"], values["eta"], values["schedule"]) == (
        [1, 5, 1], "identity", 0.1, "constant",
    )  # fmt: skip
    write(tmp_path / "grades.csv", ["x", "grade"], RNG.normal(size=N), RNG.integers(1, 6, N))
    assert "; for values: dataset.task=values" in backprop("train", "grades.csv", "target=grade", "epochs=1").err
    assert yaml.safe_load(backprop("check", "grades.csv", "target=grade").out)["cost"]["name"] == "cross_entropy"
    assert backprop("check", "grades.csv", "target=grade", "validation=0").code == 0
    as_values = backprop("check", "grades.csv", "target=grade", "dataset.task=values")
    assert yaml.safe_load(as_values.out)["cost"] == "quadratic"


@pytest.mark.parametrize("command", [["check"], ["gradcheck"], ["train", "--dry-run"], ["data", "check"]])
def test_commands_that_take_a_config_take_a_table(backprop, churn, command):
    assert backprop(*command, "churn.csv", "target=churned").code == 0
    assert backprop(*command, churn, "dataset.target=churned").code == 0


def test_a_step_on_a_table_is_traced(backprop, churn):
    assert "BP4" in backprop("trace", "churn.csv", "target=churned", "layers=auto-2-auto").out


@pytest.fixture
def kinds(tmp_path, backprop):
    """Data of every kind: the file or folder of each."""
    x, y = RNG.random((60, 6, 5)), RNG.integers(0, 3, 60)
    np.savez(tmp_path / "arrays.npz", x=x, y=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    for name, array in (("images-idx3", (255 * x).astype(np.uint8)), ("labels-idx1", y.astype(np.uint8))):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        (tmp_path / f"train-{name}-ubyte").write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    for k, pixels in enumerate((255 * x).astype(np.uint8)):
        (tmp_path / "pets" / "abc"[y[k]]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pets" / "abc"[y[k]] / f"{k}.png")


@pytest.mark.parametrize("name", ["arrays.npz", "x.npy", "train-images-idx3-ubyte", "pets"])
def test_arrays_idx_files_and_folders_of_images_are_trained_on(backprop, kinds, name):
    done = backprop("train", name, "epochs=2", "--name", "r")
    assert done.code == 0, done.err
    assert f" on {name}, in runs/r" in done.err
    assert backprop("eval", "r").code == 0
    report = json.loads(backprop("data", "check", name, "--json").out)
    assert sum(report["rows"].values()) == 60
    assert sum(count for split in report["classes"].values() for count in split.values()) == 60
    assert backprop("data", "show", name, "--count", 2).code == 0
    small = ["dataset.height=6", "dataset.width=5"] if name == "pets" else []
    assert backprop("trace", name, "layers=auto-2-auto", *small, "--rows", 0).code == 0


def test_a_local_file_or_folder_goes_before_a_shipped_config(backprop, kinds, tmp_path):
    (tmp_path / "pets").rename(tmp_path / "digits")
    assert yaml.safe_load(backprop("check", "digits").out)["dataset"]["name"] == "images"


def test_a_folder_without_images_is_no_config(backprop, tmp_path):
    (tmp_path / "empty").mkdir()
    done = backprop("train", "empty")
    assert (done.code, "it has no folders of images, one for each class" in done.err) == (2, True)


def test_the_check_of_a_table_tells_what_each_column_is(backprop, churn):
    rows = list(csv.reader(churn.read_text().splitlines()))
    extra = [["id", "constant", "day", "answer"]]
    extra += [[k, 7, f"2024-01-{1 + k % 28:02}", {"yes": "J", "no": "N"}[row[2]]] for k, row in enumerate(rows[1:])]
    with churn.open("w", newline="") as file:
        csv.writer(file).writerows(
            [*row, *more] for row, more in zip([*rows, rows[-1]], [*extra, extra[-1]], strict=True)
        )
    report = json.loads(backprop("data", "check", "churn.csv", "target=churned", "--json").out)
    columns = {column["name"]: column for column in report["columns"]}
    assert {name: column["kind"] for name, column in columns.items()} == {
        "tenure": "number", "contract": "category", "id": "number", "constant": "number", "day": "date",
        "answer": "category",
    }  # fmt: skip
    assert columns["day"]["reason"].startswith("dates are not inputs")
    assert columns["tenure"]["missing"] > 0
    assert columns["answer"]["gives_away"]
    assert report["duplicates"] == 1
    text = backprop("data", "check", "churn.csv", "target=churned").out
    assert "answer alone tells the target" in text
    assert "always 7" in text


def test_a_config_written_for_data_is_the_same_experiment(backprop, churn, tmp_path):
    assert backprop("init", "--data", "churn.csv", "target=churned", "epochs=9").code == 0
    written = backprop("check", "churn.yaml").out
    assert written == backprop("check", "churn.csv", "target=churned", "epochs=9").out
    assert "file: churn.csv\n" in (tmp_path / "churn.yaml").read_text()
    (tmp_path / "configs").mkdir()
    assert backprop("init", "configs/mine.yaml", "--data", "churn.csv", "target=churned", "epochs=9").code == 0
    assert backprop("check", "configs/mine.yaml").out == written
    assert backprop("init", "digits", "target=churned").code == 2


def test_a_column_name_cannot_write_into_the_config(backprop, tmp_path):
    write(tmp_path / "t.csv", ["a\nseed: 7", "y\n#"], RNG.normal(size=N), CHURNED)
    assert backprop("init", "--data", "t.csv", "target=2").code == 0
    assert yaml.safe_load(backprop("check", "t.yaml").out)["seed"] == 0


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_predictions_are_written_beside_all_columns(backprop, churn, tmp_path):
    backprop("train", "churn.csv", "target=churned", "-q")
    more = write(
        tmp_path / "new.csv", ["note", "contract", "tenure"],
        ["007", "x, y", "", "1e3"], ["year", "month", "week", "month"], ["3.50", "1", "", "zero"],
    )  # fmt: skip
    done = backprop("predict", "@last", "new.csv", "-o", "out.csv")
    assert (done.code, done.out) == (1, "out.csv\n")
    assert "error: new.csv:5: tenure: 'zero' is not a number" in done.err
    assert "warning: new.csv: columns that are not used: note" in done.err
    assert "warning: new.csv: column contract: 1 cell with words that training did not have" in done.err
    found = read(tmp_path / "out.csv")
    assert [{k: row[k] for k in ("note", "contract", "tenure")} for row in found] == read(more)
    assert [row["prediction"] for row in found] == ["no", "yes", found[2]["prediction"], ""]
    for row in found[:3]:
        p = {name: float(row[f"probability_{name}"]) for name in ("no", "yes")}
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        assert row["prediction"] == max(p, key=p.__getitem__)


def test_a_target_that_is_present_gives_the_accuracy(backprop, churn, tmp_path, monkeypatch):
    backprop("train", "churn.csv", "target=churned", "-q")
    done = backprop("predict", "@last", "churn.csv", "-o", "out.csv")
    found = read(tmp_path / "out.csv")
    accuracy = np.mean([row["prediction"] == row["churned"] for row in found])
    assert done.out == f"out.csv\naccuracy {accuracy:.2%} (200 rows with churned)\n"
    assert json.loads(backprop("predict", "@last", "churn.csv", "--json").out)["metrics"]["accuracy"] == accuracy
    lines = churn.read_text().splitlines()
    churn.write_text("\n".join([*lines[:6], *(line.rpartition(",")[0] + "," for line in lines[6:])]) + "\n")
    assert backprop("predict", "@last", "churn.csv", "-o", "out.csv").out.endswith("(5 rows with churned)\n")


def test_values_are_predicted_in_their_own_units(backprop, prices, tmp_path):
    backprop("train", "prices.csv", "target=price", "-q")
    done = backprop("predict", "@last", "prices.csv", "-o", "out.csv")
    error = [float(row["prediction"]) - float(row["price"]) for row in read(tmp_path / "out.csv")]
    assert f"rmse {np.mean(np.square(error)) ** 0.5:.4f}," in done.out
    assert np.mean(np.square(error)) ** 0.5 < 40


def test_predictions_are_only_written_to_csv_files(backprop, churn, tmp_path):
    backprop("train", "churn.csv", "target=churned", "-q")
    assert backprop("predict", "@last", "churn.csv", "-o", "runs/churn-001/config.yaml").code == 2
    churn.with_name("other.csv").write_text("contract,tenure\nyear,3\n")
    done = backprop("predict", "@last", "churn.csv", "other.csv", "-o", "out.csv")
    assert (done.code, (tmp_path / "out.csv").exists()) == (2, False)
    assert "the files have different columns" in done.err


def test_a_changed_file_is_a_warning_in_eval_and_refused_by_resume(backprop, churn):
    backprop("train", "churn.csv", "target=churned", "epochs=2", "--name", "r")
    text = churn.read_bytes()
    churn.write_bytes(text + b"3,year,no\n")
    done = backprop("eval", "r")
    assert (done.code, done.err) == (
        0,
        "warning: churn.csv changed since training; metrics are those of the changed data\n",
    )
    done = backprop("resume", "r", "--epochs", 4)
    assert (done.code, "churn.csv changed since the run started" in done.err) == (1, True)
    churn.write_bytes(text.replace(b"year", b"years", 3))
    assert "error: churn.csv changed since training: it gives 4 inputs now" in backprop("eval", "r").err
    churn.write_bytes(text)
    assert backprop("resume", "r", "--epochs", 4).code == 0


def test_without_its_file_a_run_is_plotted_and_predicts(backprop, churn):
    backprop("train", "churn.csv", "target=churned", "epochs=2", "--name", "r")
    churn.rename(churn.with_name("moved.csv"))
    assert [backprop(command, "r").code for command in ("eval", "resume")] == [5, 0]
    assert backprop("resume", "r", "--epochs", 4).code == 5
    assert backprop("predict", "r", "moved.csv").code == 0
    assert backprop("plot", "r", "--kind", "curves").code == 0


def test_classes_are_shown_by_name(backprop, churn):
    shown = backprop("data", "show", "churn.csv", "target=churned", "--count", 5, "--json").out
    assert {example["label"] for example in json.loads(shown)["examples"]} <= {"yes", "no"}
    assert backprop("data", "show", "digits", "eta=1").code == 2


def test_a_parquet_file_is_trained_on_and_predicted_like_its_csv(backprop, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [(k, "red" if k % 3 else "blue", "no" if k % 2 else "yes") for k in range(60)]
    names = ("size", "colour", "sold")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    parquet.write_table(pyarrow.table(columns), "t.parquet")
    Path("t.csv").write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")
    answers = []
    for name in ("t.csv", "t.parquet"):
        assert backprop("train", name, "target=sold", "epochs=3", "--name", name[2:], "-q").code == 0
        assert backprop("predict", name[2:], name, "-o", "out.csv").code == 0
        answers.append(Path("out.csv").read_text())
    assert answers[0] == answers[1]
    assert answers[0].splitlines()[1].startswith("0,blue,yes,")


def test_an_autoencoder_needs_no_target(backprop, tmp_path):
    rows = [(k % 9, (k * k) % 7, "red" if k % 3 else "blue") for k in range(60)]
    (tmp_path / "t.csv").write_text("a,b,colour\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    codes = np.array([row[:2] for row in rows], float)
    np.savez(tmp_path / "d.npz", x=codes[:50], x_test=codes[50:])
    np.save(tmp_path / "only.npy", codes)
    for name, inputs in (("t.csv", 4), ("d.npz", 2), ("only.npy", 2)):
        assert backprop("train", name, "targets=inputs", "epochs=2", "--name", f"of-{name}").code == 0
        found = json.loads(backprop("eval", f"of-{name}", "--json").out)["results"][0]
        assert found["examples"] == (10 if name == "d.npz" else 12)
        assert backprop("predict", f"of-{name}", name if name != "d.npz" else "only.npy", "--layer", 1).code == 0
        assert bp.load_run(f"runs/of-{name}").config.task.outputs == inputs
    assert backprop("resume", "of-t.csv", "--epochs", 3).code == 0
    (tmp_path / "rbm.yaml").write_text("dataset: {name: table, file: t.csv, scale: minmax}\nlayers: auto-3\ncost: cd\n")
    assert backprop("train", "rbm.yaml", "epochs=1").code == 0
    assert "target      none" in backprop("data", "check", "t.csv", "targets=inputs").out


def test_a_run_whose_data_has_no_test_split_ends_without_its_metrics(backprop):
    np.savez("d.npz", x=np.eye(20, dtype=np.float32), y=np.arange(20) % 2)
    config = Path("all.yaml")
    config.write_text("dataset: {name: arrays, file: d.npz, test: 0}\nlayers: [auto, auto]\nepochs: 2\n")
    done = backprop("train", config)
    assert done.code == 0, done.err
    assert "test accuracy" not in done.out
    record = json.loads(Path("runs/all-001/run.json").read_text())
    assert (record["status"], "test" in record) == ("finished", False)
    assert "no test split; use train or val" in backprop("eval", "@last").err
