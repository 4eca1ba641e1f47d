import math
import os
import random

import pytest

from backprop_cli.errors import RunError
from backprop_cli.runs.metrics import append_row, count_rows, cut_back, read_rows, read_table

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


def test_cutting_back_keeps_the_rows_of_the_checkpoint_and_drops_an_incomplete_one(tmp_path):
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


def test_cutting_back_a_missing_file_creates_none(tmp_path):
    cut_back(tmp_path / "metrics.csv", 3, COLUMNS)
    assert not (tmp_path / "metrics.csv").exists()


def test_cutting_back_restores_a_lost_header_and_drops_lines_that_are_not_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    append_row(path, row(1))
    line = path.read_text().splitlines(keepends=True)[1]
    path.write_text(line + "\u00b2,1,1,1,1,1,1\n" + line.replace("1,", "2,", 1))
    cut_back(path, 5, COLUMNS)
    assert path.read_text() == HEADER + line + line.replace("1,", "2,", 1)


def test_a_file_with_other_columns_keeps_them_and_gets_those_it_lacks(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,train_cost,more\n1,0.5,7\n2,0.4,8\n")
    cut_back(path, 1, ("epoch", "train_cost"))
    assert path.read_text() == "epoch,train_cost,more\n1,0.5,7\n"
    cut_back(path, 1, ("epoch", "eta", "train_cost"))
    append_row(path, {"epoch": 2, "eta": 0.1, "train_cost": 0.25})
    assert path.read_text() == "epoch,train_cost,more,eta\n1,0.5,7,\n2,0.25,,0.1\n"


def test_a_header_that_lost_a_column_is_restored(tmp_path):
    path = tmp_path / "metrics.csv"
    whole = three_rows(path)
    path.write_bytes(whole.replace(b"train_accuracy,val_cost", b"train_ac_l_cost", 1))
    cut_back(path, 3, COLUMNS)
    assert path.read_bytes() == whole


def test_a_table_has_the_complete_rows_by_column_and_nan_for_empty_cells(tmp_path):
    path = tmp_path / "metrics.csv"
    assert read_table(path) == {"epoch": []}
    path.write_text("epoch,train_cost,val_cost\n1,0.5,\n2,0.25,1e-3\n3,0.1")
    table = read_table(path)
    assert (table["epoch"], table["train_cost"]) == ([1, 2], [0.5, 0.25])
    assert math.isnan(table["val_cost"][0])
    path.write_text("epoch,train_cost\n1,much\n")
    with pytest.raises(RunError, match=r"metrics.csv:2: cannot be read: .*much"):
        read_table(path)


def test_a_file_cut_at_any_byte_is_restored(tmp_path):
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


def test_each_epoch_has_one_row(tmp_path):
    path = tmp_path / "metrics.csv"
    for epoch in (1, 2, 2, 1, 3):
        append_row(path, row(epoch))
    cut_back(path, 3, COLUMNS)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "1", "2", "3"]


def test_a_number_that_is_not_finite_becomes_an_empty_cell(tmp_path):
    append_row(tmp_path / "metrics.csv", {**row(1), "train_cost": float("nan"), "val_cost": float("-inf")})
    assert (tmp_path / "metrics.csv").read_text() == HEADER + "1,,0.5,,,3,0.001\n"


def three_rows(path):
    for epoch in (1, 2, 3):
        append_row(path, row(epoch))
    return path.read_bytes()


def test_a_byte_order_mark_of_a_spreadsheet_is_ignored(tmp_path):
    path = tmp_path / "metrics.csv"
    whole = three_rows(path)
    table = read_table(path)
    path.write_bytes(b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n"))
    assert str(read_table(path)) == str(table)  # NaN is not equal to itself
    assert count_rows(path, 3, COLUMNS) == 3
    cut_back(path, 3, COLUMNS)
    append_row(path, row(4))
    assert [found["epoch"] for found in read_rows(path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("header", ["1,0.5", "epoch,,eta", "epoch,eta,eta", "epoch,a b", "\x1b[31mepoch,eta", "x"])
def test_a_file_without_its_header_is_named(tmp_path, header):
    path = tmp_path / "metrics.csv"
    path.write_text(f"{header}\n1,0.5\n")
    for read in (read_rows, read_table):
        with pytest.raises(RunError, match=r"metrics.csv:1: cannot be read: not a header"):
            read(path)


def test_an_epoch_is_read_once(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,eta\n1,0.5\n2,0.4\n1,9\n2,9\n3,0.3\n")
    assert [(found["epoch"], found["eta"]) for found in read_rows(path)] == [(1, 0.5), (2, 0.4), (3, 0.3)]
    assert read_table(path) == {"epoch": [1, 2, 3], "eta": [0.5, 0.4, 0.3]}


@pytest.mark.parametrize("cell", ["x", "nan", "inf", "1_0", "\x1b[31m", "1e999", "\u0663", "0x1", " 1"])
def test_a_cell_that_is_not_a_finite_number_is_named_and_cut(tmp_path, cell):
    path = tmp_path / "metrics.csv"
    path.write_text(f"epoch,eta\n1,0.5\n2,{cell}\n3,0.3\n", encoding="utf-8")
    for read in (read_rows, read_table):
        with pytest.raises(RunError, match=r"metrics.csv:3: cannot be read: .* is not a number"):
            read(path)
    cut_back(path, 3, ("epoch", "eta"))
    assert path.read_text() == "epoch,eta\n1,0.5\n3,0.3\n"


def test_a_header_with_a_damaged_name_is_restored(tmp_path):
    path = tmp_path / "metrics.csv"
    whole = three_rows(path)
    path.write_bytes(whole.replace(b"train_cost", b"trein_cost", 1))
    cut_back(path, 3, COLUMNS)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_only_a_regular_file_is_read(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    path = tmp_path / "metrics.csv"
    path.symlink_to(target)
    with pytest.raises(RunError, match=r"metrics.csv: cannot be read: not a regular file"):
        read_rows(path)
    with pytest.raises(OSError, match="not a regular file"):
        count_rows(path, 1, COLUMNS)


PIECES = [
    b"",
    b",",
    b"\n",
    b"nan",
    b"-",
    b"1e999",
    b"epoch",
    b"\xff",
    b"\0",
    b"_",
    b"\xef\xbb\xbf",
    b"9" * 20,
    b".",
]


def damaged(whole, rng):
    """Return the bytes of a file with up to five places changed, lost or added to."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(data))
        data[place : place + rng.choice((0, 1, 1, 9, 90))] = rng.choice((*PIECES, rng.randbytes(1)))
        data = data or bytearray(b"x")
    return bytes(data)


def check_mutants(path, count, seed):
    """Damage a file; whatever is read afterwards, and kept by `cut_back`, has finite numbers and increasing epochs."""
    rng, whole = random.Random(seed), three_rows(path)
    for _ in range(count):
        path.write_bytes(damaged(whole, rng))
        try:
            table = read_table(path)
            assert {len(column) for column in table.values()} == {len(read_rows(path))}
        except RunError as error:
            assert str(path) in str(error)  # noqa: PT017 - most mutants can be read
        kept = count_rows(path, 3, COLUMNS)
        cut_back(path, 3, COLUMNS)
        rows = read_rows(path)
        assert len(rows) == kept
        assert [int(row["epoch"]) for row in rows] == sorted({int(row["epoch"]) for row in rows})
        assert all(math.isfinite(number) for row in rows for number in row.values())


def test_a_mutated_file_is_read_or_named_and_restored(tmp_path):
    check_mutants(tmp_path / "metrics.csv", 1000, seed=1)


@pytest.mark.long
def test_many_mutated_files_are_read_or_named_and_restored(tmp_path):
    check_mutants(tmp_path / "metrics.csv", 50_000, seed=2)
