import itertools

import pytest

from backprop_cli.search.spaces import SpaceError, combinations, is_space, parse_space, split


def values(key, text):
    return parse_space(key, text, "here").values()


def test_commas_separate_alternatives_but_not_inside_brackets_braces_and_quotes():
    assert values("activation", "relu,tanh") == ["relu", "tanh"]
    assert values("layers", "[64,30,10],64-10") == [[64, 30, 10], "64-10"]
    assert values("optimizer", "{name: momentum, mu: 0.9},sgd") == [{"name": "momentum", "mu": 0.9}, "sgd"]
    assert split("'a,b',c") == ["'a,b'", "c"]


def test_values_are_read_as_in_a_config():
    assert values("eta", "1e-3, 2,.5") == [0.001, 2, 0.5]
    assert values("diagnostics", "true,false") == [True, False]
    assert values("lambda", [0, "0.5", {"l1": 1}]) == [0, 0.5, {"l1": 1}]


def test_a_range_is_of_whole_numbers_where_the_key_takes_them():
    assert values("seed", "0..3") == [0, 1, 2, 3]
    assert values("layers.1", "8..10") == [8, 9, 10]
    assert values("validation", "100..102") == [100, 101, 102]  # a number of examples, or a fraction
    assert not parse_space("eta", "1..3", "here").finite
    assert not parse_space("validation", "0.1..0.3", "here").finite
    assert not parse_space("layers.1", "10..300:log", "here").finite


def test_a_number_of_values_makes_a_range_a_list():
    assert values("dropout", "0..0.5:3") == [0, 0.25, 0.5]
    assert values("eta", "1e-3..10:log:5") == pytest.approx([0.001, 0.01, 0.1, 1, 10])
    assert values("seed", "0..9:4") == [0, 3, 6, 9]
    assert values("epochs", "1..2:5") == [1, 2]


def test_a_place_in_a_space_is_a_value():
    eta = parse_space("eta", "0.01..100:log", "here")
    assert [eta.at(u) for u in (0, 0.25, 0.5, 1)] == pytest.approx([0.01, 0.1, 1, 100])
    units = parse_space("layers.1", "10..12", "here")
    assert [units.at(u / 3) for u in (0, 1, 2)] == [10, 11, 12]
    assert units.at(1) == 12
    mixed = parse_space("lambda", "0,0.1..10:log", "here")
    assert [mixed.at(u) for u in (0, 0.49, 0.5, 0.75)] == pytest.approx([0, 0, 0.1, 1])


def test_numbers_drawn_from_a_range_are_short_and_inside_it():
    space = parse_space("eta", "0.123456..0.123457", "here")
    assert [space.at(u) for u in (0, 0.25, 1)] == [0.123456, 0.12345625, 0.123457]
    assert parse_space("eta", "0..1", "here").at(1 / 3) == 0.3333


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("eta", "0..1:log", "must begin above 0; to include 0, write eta=0,0.001..1:log"),
        ("eta", "-1..1:log", "must begin above 0; write a lower end above 0"),
        ("eta", "3..1", "from a smaller to a larger number"),
        ("eta", "1..2..3", "is not a range; write A..B"),
        ("eta", "1..2:lin", "is not a range; write A..B"),
        ("eta", "1..2:1", "needs at least 2 values"),
        ("seed", "0.5..3", "takes whole numbers"),
        ("eta", "1,,2", "an empty value"),
        ("eta", "1,1.0", "a value is given twice"),
        ("eta", "[1,2", "expected ',' or ']'"),
        ("threads", "1,2", "cannot be varied"),
        ("extends", "a,b", "cannot be varied"),
    ],
)
def test_what_is_not_a_space_is_refused_with_a_remedy(key, text, problem):
    with pytest.raises(SpaceError) as raised:
        parse_space(key, text, "here")
    assert problem in str(raised.value)


def test_words_with_several_values_are_spaces_and_others_are_not():
    assert all(map(is_space, ["1,2", "0..9", "1e-3..10:log", "[1],[2]"]))
    assert not any(map(is_space, ["1", "[1,2]", "{name: a, b: 1}", "../data/x.csv", "64-30-10", "'a,b'", ""]))


def test_combinations_are_those_of_itertools_product():
    spaces = [parse_space("eta", "1,2,3", "a"), parse_space("seed", "0..1", "b"), parse_space("cost", "x,y", "c")]
    expected = itertools.product([1, 2, 3], [0, 1], ["x", "y"])
    assert [tuple(setting.values()) for setting in combinations(spaces)] == list(expected)


def test_options_of_a_choice_are_combined_with_that_choice_only():
    spaces = [parse_space("optimizer", "sgd,momentum", "a"), parse_space("optimizer.mu", "0.5,0.9", "b")]
    assert list(combinations(spaces)) == [
        {"optimizer": "sgd"},
        {"optimizer": "momentum", "optimizer.mu": 0.5},
        {"optimizer": "momentum", "optimizer.mu": 0.9},
    ]
