import math

import pytest

from backprop_cli.errors import RunError
from backprop_cli.runs.metrics import append_row, count_rows, cut_back, read_table

COLUMNS = ("epoch", "train_cost", "train_accuracy", "val_cost", "val_accuracy", "eta", "seconds")
HEADER = "epoch,train_cost,train_accuracy,val_cost,val_accuracy,eta,seconds\n"


def row(epoch):
    return {
        "epoch": epoch,
        "train_cost": 1 / 3,
        "train_accuracy": 0.5,
        "val_cost": None,
        "val_accuracy": None,
        "eta": 3.0,
        "seconds": 1e-3,
    }


def test_rows_are_lines_of_a_csv_file(tmp_path):
    path = tmp_path / "metrics.csv"
    append_row(path, row(1))
    append_row(path, row(2))
    assert path.read_text() == HEADER + "1,0.333333,0.5,,,3,0.001\n" + "2,0.333333,0.5,,,3,0.001\n"


def test_cutting_back_keeps_the_rows_of_the_checkpoint_and_drops_a_torn_one(tmp_path):
    path = tmp_path / "metrics.csv"
    for epoch in (1, 2, 3):
        append_row(path, row(epoch))
    whole = path.read_text()
    with path.open("a") as file:
        file.write("4,0.33")
    assert (count_rows(path, 4, COLUMNS), count_rows(path, 2, COLUMNS)) == (3, 2)
    cut_back(path, 3, COLUMNS)
    assert path.read_text() == whole
    cut_back(path, 1, COLUMNS)
    assert count_rows(path, 9, COLUMNS) == 1
    cut_back(path, 0, COLUMNS)
    assert path.read_text() == HEADER
    append_row(path, row(1))
    assert path.read_text().count("epoch") == 1


def test_cutting_back_what_is_not_there_is_nothing(tmp_path):
    cut_back(tmp_path / "metrics.csv", 3, COLUMNS)
    assert not (tmp_path / "metrics.csv").exists()


def test_cutting_back_heals_a_lost_header_and_drops_what_is_no_row(tmp_path):
    path = tmp_path / "metrics.csv"
    append_row(path, row(1))
    line = path.read_text().splitlines(keepends=True)[1]
    path.write_text(line + "\u00b2,1,1,1,1,1,1\n" + line.replace("1,", "2,", 1))
    cut_back(path, 5, COLUMNS)
    assert path.read_text() == HEADER + line + line.replace("1,", "2,", 1)


def test_a_file_with_more_columns_keeps_them(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,train_cost,more\n1,0.5,7\n2,0.4,8\n")
    cut_back(path, 1, COLUMNS)
    assert path.read_text() == "epoch,train_cost,more\n1,0.5,7\n"


def test_a_table_has_the_whole_rows_by_column_and_nan_for_nothing(tmp_path):
    path = tmp_path / "metrics.csv"
    assert read_table(path) == {"epoch": []}
    path.write_text("epoch,train_cost,val_cost\n1,0.5,\n2,0.25,1e-3\n3,0.1")
    table = read_table(path)
    assert (table["epoch"], table["train_cost"]) == ([1, 2], [0.5, 0.25])
    assert math.isnan(table["val_cost"][0])
    path.write_text("epoch,train_cost\n1,much\n")
    with pytest.raises(RunError, match=r"metrics.csv: cannot be read: .*much"):
        read_table(path)


def test_a_file_torn_at_any_byte_is_healed(tmp_path):
    path = tmp_path / "metrics.csv"
    for epoch in (1, 2):
        append_row(path, row(epoch))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        kept = count_rows(path, 2, COLUMNS)
        cut_back(path, kept, COLUMNS)
        for epoch in range(kept + 1, 3):
            append_row(path, row(epoch))
        assert path.read_bytes() == whole


def test_an_epoch_has_one_row(tmp_path):
    path = tmp_path / "metrics.csv"
    for epoch in (1, 2, 2, 1, 3):
        append_row(path, row(epoch))
    cut_back(path, 3, COLUMNS)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "1", "2", "3"]


def test_a_number_that_is_none_is_written_as_nothing(tmp_path):
    append_row(tmp_path / "metrics.csv", {**row(1), "train_cost": float("nan"), "val_cost": float("-inf")})
    assert (tmp_path / "metrics.csv").read_text() == HEADER + "1,,0.5,,,3,0.001\n"
