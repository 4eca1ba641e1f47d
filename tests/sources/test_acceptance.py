"""What users of other tools complain about, each as a run from a file to predictions by the commands."""

import csv
import json

import numpy as np
import pytest

RNG = np.random.default_rng(7)
N = 120
AGE = RNG.normal(40, 9, N).round(2)
COLOUR = RNG.choice(["red", "green", "blue"], N)
LABEL = np.where(AGE + 8 * (COLOUR == "red") > 43, "item10", "item2")
ROWS = [[f"{age:.2f}", colour, label] for age, colour, label in zip(AGE, COLOUR, LABEL, strict=True)]
CONFIG = """dataset: {name: table, file: t.csv, target: y%s}
layers: [auto, 6, auto]
output: softmax
cost: cross_entropy
eta: 0.5
epochs: 15
"""


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def train(backprop, tmp_path):
    def run(rows=ROWS, header=("age", "colour", "y"), options="", name="run"):
        write(tmp_path / "t.csv", header, rows)
        (tmp_path / "c.yaml").write_text(CONFIG % options)
        done = backprop("train", "c.yaml", "--name", name, "--overwrite")
        assert done.code == 0, done.err
        return tmp_path / "runs" / name

    return run


def arrays(run):
    with np.load(run / "checkpoints/last.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != "meta"}


def meta(run):
    with np.load(run / "checkpoints/best.npz", allow_pickle=False) as file:
        return json.loads(str(file["meta"]))


def test_a_changed_test_row_changes_no_weight(train, tmp_path):
    where = ["train" if k % 5 else "test" for k in range(N)]
    header, rows = ("age", "colour", "y", "where"), [[*row, part] for row, part in zip(ROWS, where, strict=True)]
    options = ", split: where"
    for k, part in enumerate(where):
        if part == "train" and k % 7 == 0:
            rows[k][3] = "validation"
    before = arrays(train(rows, header, options))
    changed = [["1e5", "purple", *row[2:]] if row[3] == "test" else row for row in rows]
    after = arrays(train(changed, header, options, "changed"))
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    other = arrays(train([["41.5", *row[1:]] if row[3] == "train" else row for row in rows], header, options, "other"))
    assert not np.array_equal(before["W1"], other["W1"])


def test_classes_have_one_order_which_the_checkpoint_keeps(train, backprop, tmp_path):
    run = train()
    assert meta(run)["data"]["class_names"] == ["item2", "item10"]
    write(tmp_path / "new.csv", ("age", "colour"), [["20", "blue"], ["70", "red"]])
    (tmp_path / "t.csv").unlink()
    lines = backprop("predict", "run", "new.csv").out.splitlines()
    assert "item2" in lines[-2]
    assert "item10" in lines[-1]


def test_preprocessing_is_in_the_checkpoint_as_plain_numbers_and_text(train):
    run = train()
    columns = meta(run)["data"]["preprocessing"]["columns"]
    rows = len(ROWS)
    assert [column["name"] for column in columns] == ["age", "colour"]
    assert columns[1]["categories"] == ["blue", "green", "red"]
    assert AGE.min() < columns[0]["center"] < AGE.max()
    assert rows == N


def test_columns_are_found_by_name_and_others_are_named_once(train, backprop, tmp_path):
    train()
    write(tmp_path / "usual.csv", ("age", "colour"), [row[:2] for row in ROWS])
    write(tmp_path / "moved.csv", ("extra", "colour", "age"), [["x", row[1], row[0]] for row in ROWS])
    usual, moved = (json.loads(backprop("predict", "run", name, "--json").out) for name in ("usual.csv", "moved.csv"))
    one, other = (json.dumps(found).replace(name, "") for found, name in ((usual, "usual.csv"), (moved, "moved.csv")))
    assert one == other
    assert backprop("predict", "run", "moved.csv").err.count("extra") == 1


def test_unknown_words_give_one_warning_with_their_number(train, backprop, tmp_path):
    train()
    write(tmp_path / "new.csv", ("age", "colour"), [["40", "mauve"]] * 9 + [["40", "red"]])
    done = backprop("predict", "run", "new.csv")
    assert done.code == 0
    assert done.err.count("colour: 9 cells with words that training did not have") == 1


def test_only_an_empty_cell_is_missing_and_leading_zeros_stay(train):
    rows = [
        [("NA", "00123", "red")[k % 3] if j == 1 else cell for j, cell in enumerate(row)] for k, row in enumerate(ROWS)
    ]
    columns = meta(train(rows))["data"]["preprocessing"]["columns"]
    assert sorted(columns[1]["categories"]) == ["00123", "NA", "red"]


def test_a_constant_column_is_harmless(train):
    run = train([[*row[:2], "7.1", row[2]] for row in ROWS], ("age", "colour", "same", "y"))
    assert all(np.isfinite(array).all() for array in arrays(run).values())


def test_a_rare_class_is_in_the_training_split(train):
    rows = [*ROWS, ["99", "red", "rare"]]
    assert meta(train(rows))["data"]["class_names"] == ["item2", "item10", "rare"]


def test_a_bad_cell_is_an_error_with_its_line_and_the_remedy(backprop, train, tmp_path):
    rows = [["n/a", *row[1:]] if k in (3, 40, 77) else row for k, row in enumerate(ROWS)]
    write(tmp_path / "t.csv", ("age", "colour", "y"), rows)
    (tmp_path / "c.yaml").write_text(CONFIG % "")
    done = backprop("train", "c.yaml")
    assert (done.code, done.err.count("Traceback")) == (5, 0)
    assert "'n/a' is not a number" in done.err
    assert "dataset.missing=n/a" in done.err
    assert backprop("train", "c.yaml", "dataset.missing=n/a").code == 0
