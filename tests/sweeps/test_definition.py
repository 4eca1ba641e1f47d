import pytest

from backprop_cli.errors import ConfigError
from backprop_cli.sweeps.definition import define_sweep, load_sweep

BASE = {"dataset": "digits", "layers": [64, 12, 10]}


def define(*words, **changes):
    return define_sweep({**BASE, **changes}, words, "command line")


def problems(*words, **changes):
    with pytest.raises(ConfigError) as raised:
        define(*words, **changes)
    return raised.value.problems


def test_words_with_several_values_are_varied_and_others_hold_for_all_runs():
    sweep = define("eta=0.1,1", "epochs=3", "layers.1=5..6")
    assert [space.key for space in sweep.spaces] == ["eta", "layers.1"]
    assert sweep.settings == 4
    e = sweep.experiment({"eta": 1, "layers.1": 6})
    assert (e.eta, e.sizes, e.epochs, e.seed) == (1, (64, 6, 10), 3, 0)


def test_a_config_says_the_same_under_the_key_sweep(tmp_path):
    (tmp_path / "base.yaml").write_text("dataset: digits\nlayers: 64-12-10\nepochs: 3\n")
    text = 'extends: base.yaml\nsweep:\n  over: {eta: [0.1, 1], layers.1: 5..6, λ: "0,1..2:2"}\n  seeds: 3\n'
    (tmp_path / "some.yaml").write_text(text)
    there = load_sweep(tmp_path / "some.yaml")
    here = load_sweep(tmp_path / "base.yaml", ["eta=0.1,1", "layers.1=5..6", "λ=0,1..2:2", "sweep.seeds=3"])
    assert there.to_dict() == here.to_dict()
    assert there.digest == here.digest
    assert (there.settings, there.seeds) == (12, (0, 1, 2))


def test_words_take_precedence_over_the_config(tmp_path):
    (tmp_path / "some.yaml").write_text(
        "extends: digits\nsweep:\n  over: {eta: [0.1, 1], lambda: [0, 1]}\n  seeds: 3\n"
    )
    sweep = load_sweep(tmp_path / "some.yaml", ["eta=0.5", "lambda=0,1,2", "sweep.seeds=1"])
    assert [(space.key, len(space.values())) for space in sweep.spaces] == [("lambda", 3)]
    assert (sweep.experiment({"lambda": 2}).eta, sweep.seeds) == (0.5, (0,))


def test_several_seeds_are_runs_of_the_same_setting():
    sweep = define("seed=3..5", "eta=0.1,1")
    assert (sweep.settings, sweep.seeds) == (2, (3, 4, 5))
    assert define("seed=7", "sweep.seeds=2", "eta=0.1,1").seeds == (7, 8)
    assert define("seed=0..9").settings == 1


def test_the_sampler_is_a_grid_if_all_values_are_listed_and_no_number_of_trials_is_given():
    assert define("eta=0.1,1").sampler == "grid"
    assert define("eta=0.1..1", "sweep.trials=3").sampler == "sobol"
    assert define("eta=0.1,1", "sweep.trials=3").sampler == "sobol"
    assert define("eta=0.1,1", "sweep.trials=3", "sweep.sampler=random").sampler == "random"


def test_the_name_depends_on_the_settings_and_not_on_how_many_are_trained():
    one = define("eta=0.1..1", "sweep.trials=3").digest
    assert define("eta=0.1..1", "sweep.trials=30").digest == one
    assert define("eta=0.1..2", "sweep.trials=3").digest != one
    assert define("eta=0.1..1", "sweep.trials=3", "epochs=3").digest != one


def test_an_option_comes_after_its_choice():
    sweep = define("optimizer.mu=0.5,0.9", "optimizer=sgd,momentum")
    assert sweep.settings == 3
    assert sweep.experiment({"optimizer": "momentum", "optimizer.mu": 0.9}).optimizer.mu == 0.9


def test_impossible_combinations_are_found_before_anything_runs_with_their_place(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text(
        "dataset: digits\nlayers: 64-12-10\ncost: cross_entropy\nsweep:\n"
        "  over:\n    output: [softmax, relu]\n    eta: [0.1, -1]\n"
    )
    with pytest.raises(ConfigError) as raised:
        load_sweep(path)
    found = sorted(raised.value.problems)
    assert len(found) == 2
    assert found[0].startswith(f"{path}:6:13: cost: cross_entropy cannot be used with relu outputs")
    assert found[0].endswith("(2 combinations, such as output=relu eta=0.1)")
    assert found[1].startswith(f"{path}:7:10: eta must be greater than 0, not -1 (2 combinations, such as")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["eta=0.1..1"], "command line: eta=0.1..1: eta: a continuous range needs a number of trials: sweep.trials=50"),
        (["eta=0.1"], "config: nothing is varied; write KEY=V1,V2 or KEY=A..B"),
        (["eta=1,2", "sweep.trial=3"], "command line: sweep.trial=3: unknown key 'trial'; did you mean 'trials'?"),
        (["eta=1,2", "sweep.sampler=bayes"], "sweep.sampler: unknown name 'bayes'"),
        (["eta=1,2", "sweep.sampler=tpe"], "the sampler tpe needs a number of trials"),
        (["eta=1,2", "sweep.sampler=grid", "sweep.trials=3"], "a grid takes every combination"),
        (["eta=1,2", "sweep.keep=best"], "must be 'all', or a number of runs such as 'best 20'"),
        (["seed=0..2", "sweep.seeds=2"], "list the seeds, or write sweep.seeds=2, but not both"),
        (["seed=2,-1"], "command line: seed=2,-1: seed: must be whole numbers of at least 0"),
        (["seed=some", "eta=1,2"], "config: seed: must be whole numbers of at least 0"),
        (["epoch=1,2"], "unknown key 'epoch'; did you mean 'epochs'?"),
        (["optimizer=sgd,adam", "optimizer.mu=0.5,0.9"], "an option of none of optimizer=sgd, adam"),
        (
            ["eta=1,2", "eta=3"],
            "command line: eta=3: duplicate key 'eta'; remove one, or try both: backprop sweep CONFIG",
        ),
        (["eta=1,2", "epochs=3", "epochs=4"], "epochs=4: duplicate key 'epochs'"),
        (["optimizer.mu=0.5,0.9"], "it is an option of momentum, nesterov"),
        (["layers.5=1,2"], "there is no layer 5; the last one is 2"),
        (["epochs=3,9", "sweep.prune=asha"], "epochs cannot be varied"),
        (["seed=0..3000", "layers.1=1..3000", "batch_size=1..1000", "epochs=1..9999"], "more than 10,000,000 settings"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_say_where_and_what_to_do(words, problem):
    found = problems(*words)
    assert len(found) == 1
    assert problem in found[0]


def test_the_places_of_layers_can_be_set_on_any_command_line(backprop):
    assert '"layers": [64, 7, 10]' in backprop("check", "digits", "layers.1=7", "--json").out
    failed = backprop("check", "digits", "layers.7=7")
    assert (failed.code, "there is no layer 7; the last one is 2" in failed.err) == (2, True)


def test_training_a_sweep_says_what_to_type(backprop, tmp_path):
    (tmp_path / "some.yaml").write_text("extends: digits\nsweep: {over: {eta: [1, 2]}}\n")
    refused = backprop("train", "some.yaml")
    assert (refused.code, refused.out) == (2, "")
    assert "some.yaml:2:1: this config describes a sweep; write: backprop sweep some.yaml" in refused.err
    refused = backprop("train", "digits", "seed=0..9")
    assert refused.code == 2
    assert "for several values: backprop sweep CONFIG seed=0..9" in refused.err
