"""From a file to examples: what columns are, statistics of the training rows, targets, errors."""

import numpy as np
import pytest

from backprop_cli.errors import DataError, UsageError
from backprop_cli.sources.table import Table, prepare_table


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))

    def prepare(text, target="y", validation=0.2, train_size=None, **options):
        path = tmp_path / f"{abs(hash(text))}.csv"
        path.write_text(text)
        return prepare_table(Table(str(path), target, **options), validation, train_size)

    return prepare


def rows(header, *columns):
    return "\n".join([header, *(",".join(map(str, cells)) for cells in zip(*columns, strict=True))]) + "\n"


RNG = np.random.default_rng(0)
N = 200
AGE = [f"{x:.2f}" if k % 9 else "" for k, x in enumerate(RNG.normal(40, 9, N))]
COLOUR = [("red", "green", "blue", "")[k] for k in RNG.choice(4, N, p=[0.5, 0.3, 0.15, 0.05])]
LABEL = [("no", "yes")[k] for k in RNG.integers(0, 2, N)]
MIXED = rows("age,colour,y", AGE, COLOUR, LABEL)


def test_numbers_are_filled_and_scaled_and_words_become_one_input_each(prepared):
    table = prepared(MIXED)
    assert table.preprocessing.inputs == ("age", "colour=(missing)", "colour=blue", "colour=green", "colour=red")
    train, validation, test = table.examples()
    assert [len(part) for part in (train, validation, test)] == [128, 32, 40]
    assert np.array_equal(train.inputs[:, 1:].sum(axis=1), np.ones(128))
    assert (table.target.classes, set(train.targets.tolist())) == (("no", "yes"), {0, 1})


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("fill", ["median", "mean"])
def test_preprocessing_agrees_with_scikit_learn(prepared, scale, fill):
    sklearn = pytest.importorskip("sklearn.preprocessing")
    impute = pytest.importorskip("sklearn.impute")
    table = prepared(MIXED, fill=fill, scale=scale)
    train, _, test = table.examples(np.float64)
    ages = np.array([float(age or "nan") for age in AGE])[:, None]
    imputer = impute.SimpleImputer(strategy=fill).fit(ages[table.split.train])
    kind = {"standard": sklearn.StandardScaler, "minmax": sklearn.MinMaxScaler, "robust": sklearn.RobustScaler}[scale]
    scaler = kind().fit(imputer.transform(ages[table.split.train]))
    for found, part in ((train, table.split.train), (test, table.split.test)):
        np.testing.assert_allclose(found.inputs[:, :1], scaler.transform(imputer.transform(ages[part])), 1e-12, 1e-12)
    words = np.array(COLOUR)[:, None]
    onehot = sklearn.OneHotEncoder(sparse_output=False).fit(words[table.split.train])
    np.testing.assert_array_equal(test.inputs[:, 1:], onehot.transform(words[table.split.test]))


def test_a_changed_test_row_changes_no_training_example(prepared):
    table = prepared(MIXED)
    lines, row = MIXED.splitlines(), int(table.split.test[0])
    lines[1 + row] = f"1e6,purple,{LABEL[row]}"
    other = prepared("\n".join(lines) + "\n")
    for before, after in zip(table.examples()[:2], other.examples()[:2], strict=True):
        np.testing.assert_array_equal(before.inputs, after.inputs)


def test_an_unknown_word_gives_zeros_and_is_counted(prepared):
    table = prepared(MIXED)
    other = prepared(MIXED.replace("red", "purple"))
    encoded = table.preprocessing.encode(other.table, np.arange(N), np.float32)
    purple = np.array(COLOUR) == "red"
    assert encoded.unknown == {"colour": purple.sum()}
    assert not encoded.x[purple, 1:].any()


def test_columns_are_found_by_name_in_any_order(prepared):
    table = prepared(MIXED)
    moved = prepared(rows("extra,colour,y,age", range(N), COLOUR, LABEL, AGE))
    everything = np.arange(N)
    np.testing.assert_array_equal(
        table.preprocessing.encode(moved.table, everything, np.float32).x,
        table.preprocessing.encode(table.table, everything, np.float32).x,
    )


def test_a_constant_column_is_harmless(prepared):
    train, *_ = prepared(rows("a,b,y", [7.1] * N, range(N), LABEL)).examples()
    assert np.abs(train.inputs[:, 0]).max() < 1e-12
    assert np.isfinite(train.inputs).all()


def test_words_that_stand_for_no_value_are_missing(prepared):
    age = [age or "NA" for age in AGE]
    given = prepared(rows("age,colour,y", age, COLOUR, LABEL), missing=("", "NA"))
    np.testing.assert_array_equal(given.examples()[0].inputs, prepared(MIXED).examples()[0].inputs)
    coded = prepared(rows("age,colour,y", [age or "-999" for age in AGE], COLOUR, LABEL), missing=("", "-999"))
    np.testing.assert_array_equal(coded.examples()[0].inputs, prepared(MIXED).examples()[0].inputs)


def test_a_word_among_numbers_is_an_error_with_its_lines_and_the_remedy(prepared):
    age = [*AGE]
    for row in (3, 50, 120):
        age[row] = "n/a"
    with pytest.raises(DataError) as caught:
        prepared(rows("age,colour,y", age, COLOUR, LABEL)).examples()
    assert ": age: 'n/a' is not a number" in str(caught.value)
    assert "dataset.missing=n/a" in str(caught.value)


def test_a_missing_value_is_an_error_if_it_should_be(prepared):
    with pytest.raises(DataError, match="age: no value .* such cells: lines .*; use fill: median"):
        prepared(MIXED, fill="error").examples()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"00{k}" for k in range(N)], "text"),
        ([f"2024-01-{1 + k % 28:02}" for k in range(N)], "date"),
        ([f"{1 + k % 28:02}.01.2024 12:30" for k in range(N)], "date"),
        ([""] * N, "empty"),
        ([f"{k % 3}x" for k in range(N)], "category"),
        ([("low", "high")[k % 2] if k % 30 else k for k in range(N)], "category"),
        ([k if k % 50 else "?" for k in range(N)], "number"),
    ],
)
def test_what_a_column_is(prepared, cells, kind):
    table = prepared(rows("c,x,y", cells, range(N), LABEL))
    decision = table.decisions[0]
    assert (decision.name, decision.kind) == ("c", kind)
    assert bool(decision.reason) == (kind in ("text", "date", "empty"))


def test_a_column_of_numbers_is_made_categories_on_request(prepared):
    table = prepared(rows("c,y", [k % 3 for k in range(N)], LABEL), categories=("c",))
    assert table.preprocessing.inputs == ("c=0", "c=1", "c=2")


def test_categories_and_classes_are_in_natural_order(prepared):
    names = [f"item{k % 12}" for k in range(N)]
    assert prepared(rows("x,y", range(N), names)).target.classes == tuple(f"item{k}" for k in range(12))


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (LABEL, "classes"),
        ([k % 10 for k in range(N)], "classes"),
        ([k % 10 + 0.5 for k in range(N)], "values"),
        ([k % 25 for k in range(N)], "values"),
        (range(N), "values"),
    ],
)
def test_the_task_is_chosen_by_the_target_column(prepared, cells, task):
    found = prepared(rows("x,y", range(N), cells)).spec
    assert bool(found.classes) == (task == "classes")


def test_the_task_can_be_set(prepared):
    text = rows("x,y", range(N), [k % 10 for k in range(N)])
    assert prepared(text, task="values").spec.classes == 0
    assert prepared(text, task="classes").spec.classes == 10


def test_several_targets_are_values_each_scaled_by_its_training_rows(prepared):
    y = RNG.normal(100, 20, (N, 2)).round(3)
    table = prepared(rows("x,u,v", range(N), *y.T), target=("u", "v"))
    train, _, test = table.examples()
    np.testing.assert_allclose(table.target.center, y[table.split.train].mean(axis=0))
    np.testing.assert_allclose(test.targets, y[table.split.test])
    encoded = table.spec.regression.encode(train.targets, "float64")
    np.testing.assert_allclose(encoded.std(axis=0), 1)
    np.testing.assert_allclose(table.spec.regression.predict(encoded), train.targets)


def test_rows_without_a_target_are_left_out_and_counted(prepared):
    label = [label if k % 10 else "" for k, label in enumerate(LABEL)]
    table = prepared(rows("x,y", range(N), label))
    assert table.unlabelled == 20
    assert sum(map(len, table.examples())) == 180


def test_a_column_names_the_splits(prepared):
    where = [("train", "Validation", "test")[k % 3] for k in range(N)]
    table = prepared(rows("x,where,y", range(N), where, LABEL), split="where")
    assert table.preprocessing.inputs == ("x",)
    assert [set(part % 3) for part in (table.split.train, table.split.validation, table.split.test)] == [{0}, {1}, {2}]


def test_the_column_of_groups_is_no_input(prepared):
    group = [k // 10 for k in range(N)]
    table = prepared(rows("x,patient,y", range(N), group, LABEL), group="patient")
    assert table.preprocessing.inputs == ("x",)
    assert not set(table.split.train // 10) & set(table.split.test // 10)


def test_a_test_file_of_its_own_is_the_test_split(prepared, tmp_path):
    other = tmp_path / "test.csv"
    other.write_text("y,colour,age\nyes,red,40\nno,blue,41\n")
    table = prepared(MIXED, test_file=str(other))
    train, validation, test = table.examples()
    assert (len(train) + len(validation), test.targets.tolist()) == (N, [1, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y"}, "target: there is no column 'Y'; did you mean 'y'?"),
        ({"target": 9}, "target: there is no column 9; there are 3"),
        ({"ignore": ("ages",)}, "ignore: there is no column 'ages'; did you mean 'age'?"),
    ],
)
def test_a_wrong_column_is_named_with_the_nearest(prepared, options, message):
    with pytest.raises(UsageError) as caught:
        prepared(MIXED, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows("x,y", range(9), ["a"] * 9), "column 'y' has only one class, 'a'; nothing to learn"),
        ("x,y\n", "column 'y' has no values"),
        (rows("x,y", [""] * 9, range(9)), "no column can be an input"),
        ("y\n1\n2\n3\n", "no column can be an input"),
    ],
)
def test_a_table_of_no_use_is_refused(prepared, text, message):
    with pytest.raises(DataError, match=message):
        prepared(text)


def test_a_date_that_is_asked_for_is_refused(prepared):
    with pytest.raises(DataError, match="column 'd' cannot be an input: dates are not inputs"):
        prepared(rows("d,y", ["2024-01-01"] * N, LABEL), only=("d",))


WEIGHT = [0, 1, 2, 5] * (N // 4)
WEIGHTED = rows("age,w,y", AGE, WEIGHT, LABEL)


def test_the_column_of_weights_is_no_input_and_has_the_mean_one_over_the_training_rows(prepared):
    table = prepared(WEIGHTED, weight="w")
    assert table.preprocessing.inputs == ("age",)
    train, validation, test = table.examples()
    mean = np.mean(np.array(WEIGHT)[table.split.train])
    assert train.weights.mean() == pytest.approx(1)
    for part, chosen in ((train, table.split.train), (validation, table.split.validation), (test, table.split.test)):
        np.testing.assert_allclose(part.weights, np.array(WEIGHT)[chosen] / mean)


@pytest.mark.parametrize("word", ["-1", "", "heavy", "nan"])
def test_a_cell_that_is_no_weight_is_an_error_with_its_line(prepared, word):
    with pytest.raises(DataError, match=rf"csv:4: w: '{word}' is not a weight, a number from 0 on"):
        prepared(WEIGHTED.replace(",2,", f",{word},", 1), weight="w").examples()


def test_weights_that_are_all_0_are_refused(prepared):
    with pytest.raises(DataError, match="the weights of all training examples are 0"):
        prepared(rows("age,w,y", AGE, [0] * N, LABEL), weight="w").examples()


def test_rows_in_order_are_split_by_time(prepared):
    table = prepared(MIXED, shuffle=False)
    assert [part.tolist() for part in (table.split.train, table.split.validation, table.split.test)] == [
        list(range(128)),
        list(range(128, 160)),
        list(range(160, 200)),
    ]


def test_groups_need_rows_that_may_be_shuffled(prepared):
    with pytest.raises(UsageError, match="group: has no effect with shuffle: false"):
        prepared(MIXED, group="colour", shuffle=False)
