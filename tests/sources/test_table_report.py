"""What is worth knowing about a table."""

import numpy as np
import pytest

from backprop_cli.sources.table import Table, prepare_table
from backprop_cli.sources.table_report import check_table

RNG = np.random.default_rng(0)
N = 200
X = RNG.normal(size=N).round(9)
LABEL = np.where(RNG.random(N) < 0.3, "yes", "no")


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))

    def check(**columns):
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        path = tmp_path / "t.csv"
        path.write_text("\n".join(lines) + "\n")
        return check_table(prepare_table(Table(str(path), "y"), None, None))

    return check


def test_the_rows_of_each_split_and_class_are_counted(report):
    found = report(x=X, y=LABEL)
    assert sum(found.rows.values()) == N
    assert {s: sum(c.values()) for s, c in found.classes.items()} == found.rows
    assert sum(c["yes"] for c in found.classes.values()) == np.sum(LABEL == "yes")


def test_duplicates_are_counted(report):
    assert report(x=np.r_[X[:150], X[:50]], z=["a"] * N, y=np.r_[LABEL[:150], LABEL[:50]]).duplicates == 50
    assert report(x=X + np.arange(N), y=LABEL).duplicates == 0


def gives_away(found):
    return {column.name for column in found.columns if column.gives_away}


def test_a_column_that_tells_the_class_is_named(report):
    score = np.where(LABEL == "yes", 10, 0) + X
    assert gives_away(report(x=X, score=score, answer=np.where(LABEL == "yes", "J", "N"), y=LABEL)) == {
        "score",
        "answer",
    }


def test_a_column_that_is_proportional_to_the_value_is_named(report):
    assert gives_away(report(x=X, cents=(X * 100).round(1) + 3, other=RNG.normal(size=N).round(3), y=X)) == {
        "x",
        "cents",
    }


def test_a_column_with_a_different_word_in_each_row_tells_nothing(report):
    assert gives_away(report(id=[f"a{k}" for k in range(N)], x=X, y=LABEL)) == set()


def test_the_range_and_the_missing_values_of_a_column_are_those_of_the_training_rows(report):
    found = report(x=[x if k % 4 else "" for k, x in enumerate(X)], y=LABEL)
    (column,) = found.columns
    assert (column.kind, column.inputs) == ("number", 1)
    assert X.min() <= column.low <= column.high <= X.max()
    assert 0 < column.missing <= N / 4
