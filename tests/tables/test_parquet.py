"""Parquet files as tables: the same types by the same rules as in the CSV of the same rows."""

import datetime
import decimal
import hashlib
import sys

import numpy as np
import pytest

from backprop_cli.errors import DataError, UsageError
from backprop_cli.tables import columns
from backprop_cli.tables.columns import EMPTY, IS_NUMBER, read_columns

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def written(tmp_path):
    def write(row_group_size=None, **cells):
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table(cells), path, row_group_size=row_group_size)
        return path

    return write


def texts(table):
    return [[table.text(row, column) for column in range(len(table.names))] for row in range(len(table))]


def test_numbers_words_and_missing_cells_are_told_apart(written):
    path = written(a=[1.5, None, float("nan"), -2.0], b=["x", "", None, "00123"], c=[3, None, 10**9, 0])
    table = read_columns(path)
    assert table.names == ("a", "b", "c")
    np.testing.assert_array_equal(table.numbers[:, 0], [1.5, np.nan, np.nan, -2])
    assert table.codes[:, 0].tolist() == [IS_NUMBER, EMPTY, EMPTY, IS_NUMBER]
    assert texts(table) == [["1.5", "x", "3"], ["", "", ""], ["", "", "1000000000"], ["-2", "00123", "0"]]
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.lines.tolist() == [1, 2, 3, 4]


def test_a_table_is_that_of_its_csv_file(written, tmp_path):
    rng = np.random.default_rng(0)
    cells = {
        "x": rng.normal(size=300).round(3),
        "n": rng.integers(-5, 5, 300).astype(np.int8),
        "f": np.array([float("inf"), *range(299)]),
        "code": [f"0{k % 7}" for k in range(300)],
        "yes": rng.random(300) < 0.5,
        "day": [datetime.date(2024, 1, 1 + k % 28) for k in range(300)],
        "price": [decimal.Decimal(f"{k}.50") for k in range(300)],
        "colour": pa.array([("red", "green", None)[k % 3] for k in range(300)]).dictionary_encode(),
    }
    lists = {name: pa.array(values).to_pylist() for name, values in cells.items()}
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in zip(*lists.values(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(cells), *lines]) + "\n")
    ours, csv = read_columns(written(**cells)), read_columns(tmp_path / "t.csv")
    np.testing.assert_array_equal(ours.numbers, csv.numbers)
    np.testing.assert_array_equal(ours.codes, csv.codes)
    assert ours.words == csv.words


def test_row_groups_and_chunks_change_nothing(written, monkeypatch):
    cells = {"a": list(range(100)), "b": [("u", "v")[k % 2] for k in range(100)]}
    whole = read_columns(written(**cells))
    monkeypatch.setattr(columns, "CHUNK", 7)
    parts = read_columns(written(row_group_size=13, **cells))
    np.testing.assert_array_equal(parts.numbers, whole.numbers)
    np.testing.assert_array_equal(parts.codes, whole.codes)


@pytest.mark.parametrize(
    "cells", [[[1, 2], [3]], [{"u": 1}, {"u": 2}], [b"ab", b"cd"]], ids=["lists", "structures", "bytes"]
)
def test_columns_of_other_things_are_named(written, cells):
    with pytest.raises(DataError, match="column 'odd' has cells of type .*; expected numbers or text"):
        read_columns(written(a=[1, 2], odd=cells))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"a,b\n1,2\n"])
def test_what_is_no_parquet_file_is_refused(tmp_path, data):
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(DataError, match="not a complete Parquet file"):
        read_columns(tmp_path / "t.parquet")


def test_more_rows_than_the_size_of_the_file_allows_are_refused(written, monkeypatch):
    path = written(a=pa.array(np.zeros(10**6)))
    monkeypatch.setattr("backprop_cli.tables.parquet.FREE_BYTES", 1000)
    with pytest.raises(DataError, match="1,000,000 rows in [0-9,]+ bytes; more than 1000 times its size"):
        read_columns(path)


def test_without_pyarrow_the_message_says_what_to_install(backprop, written, monkeypatch):
    path = written(a=[1.0, 2.0], y=["u", "v"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pyarrow not installed: pip install pyarrow, or install the extra 'parquet'"):
        read_columns(path)
    path.with_name("c.yaml").write_text("dataset: {name: table, file: t.parquet, target: y}\nlayers: auto-4-auto\n")
    done = backprop("train", path.with_name("c.yaml"))
    assert (done.code, "pip install pyarrow" in done.err) == (2, True)


def test_a_parquet_file_is_trained_on_and_predicted(backprop, written, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    path = written(x=x, colour=[("red", "blue")[k % 2] for k in range(200)], y=np.where(x > 0, "yes", "no").tolist())
    (tmp_path / "c.yaml").write_text(
        "dataset: {name: table, file: t.parquet, target: y}\nlayers: [auto, 4, auto]\noutput: softmax\n"
        "cost: cross_entropy\neta: 1.0\nepochs: 20\n"
    )
    assert backprop("train", "c.yaml", "--name", "run").code == 0
    done = backprop("predict", "run", path)
    assert done.code == 0, done.err
    assert done.out.count("yes") > 50
