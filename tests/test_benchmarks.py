import os
import pkgutil
import subprocess
import sys
from dataclasses import replace

import pytest

import benchmarks.peers
from backprop_cli.config.arguments import experiment_from
from benchmarks.measure import PEERS, ROOT, compare, peers_for, ratio, ratio_table, train
from benchmarks.peers.common import initial_layers
from benchmarks.rules import BARS as RULE_BARS
from benchmarks.rules import NETWORK, RULES
from benchmarks.whole import seconds_to_first_step
from benchmarks.workloads import BARS, EVALUATION_BARS, WORKLOADS, Bar, Workload

HEAVY = {"torch", "jax", "optax", "sklearn", "matplotlib"}
NEED_A_PEER = {"benchmarks.boltzmann", "benchmarks.charts", "benchmarks.tables"}

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores are assigned by sched_setaffinity (Linux)"
)


def each_workload(test):
    return pytest.mark.parametrize("w", WORKLOADS.values(), ids=WORKLOADS)(test)


@each_workload
def test_a_workload_survives_a_json_round_trip(w):
    assert Workload.from_json(w.to_json()) == w


@each_workload
def test_the_config_of_a_workload_has_the_parameters_that_every_peer_starts_from(w):
    network = experiment_from(w.to_config(), []).network
    assert network.layout.size == sum(W.size + b.size for W, b in initial_layers(w))


def test_a_workload_with_convolutions_is_the_network_of_its_title():
    w = WORKLOADS["N2-128-2t"]
    assert "28x28-conv20x5-max2-conv40x5-max2-100-10 relu" in w.title
    assert [W.shape for W, _ in initial_layers(w)] == [(20, 1, 5, 5), (40, 20, 5, 5), (100, 640), (10, 100)]


@pytest.mark.parametrize("keys", RULES.values(), ids=RULES)
def test_the_config_of_an_update_rule_changes_workload_b(keys):
    assert experiment_from(NETWORK.to_config() | keys, []).network.units


def test_bars_are_for_known_workloads_and_peers():
    for name, peer in (*BARS, *EVALUATION_BARS):
        assert peer in peers_for(WORKLOADS[name], PEERS)
    assert all(WORKLOADS[name].convolutions for name, _ in EVALUATION_BARS)
    assert set(RULE_BARS) < set(RULES)


def test_every_peer_is_a_file():
    assert {*PEERS} < {module.name for module in pkgutil.iter_modules(benchmarks.peers.__path__)}


def test_a_ratio_is_taken_round_by_round():
    assert ratio([1.0, 2.0, 9.0], [2.0, 4.0, 3.0]) == 0.5


def test_a_bar_says_what_is_asked_and_what_is_aimed_at():
    assert Bar(0.5, 0.4).verdict(0.45) == "≤ 0.50 met, aim 0.40 missed"
    assert Bar(0.5).verdict(0.51) == "≤ 0.50 **missed**"


def test_a_table_has_medians_and_spreads():
    seconds = {"ours": [1.0, 3.0, 2.0], "theirs": [4.0, 4.0, 4.0]}
    table = ratio_table(("s", "ours is"), seconds, {"theirs": 0.5}, {"theirs": Bar(0.6)}, {"n": ["1", "2"]})
    assert table.splitlines()[2:] == [
        "| ours | 2.0000 | 1.0000 to 3.0000 |  |  | 1 |",
        "| theirs | 4.0000 | 4.0000 to 4.0000 | 0.50 × | ≤ 0.60 met | 2 |",
    ]


def test_no_library_of_a_peer_is_loaded_but_by_the_peer_itself():
    modules = {f"benchmarks.{module.name}" for module in pkgutil.iter_modules([str(ROOT / "benchmarks")])}
    ours = modules - {"benchmarks.peers"} - NEED_A_PEER
    script = f"import sys, {', '.join(sorted(ours))}\nprint({HEAVY} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


@needs_affinity
@pytest.mark.parametrize("keys", [{}, {"dropout": 0.5}])
def test_this_program_is_a_peer(keys):
    workload = replace(WORKLOADS["G"], epochs=2, accuracy=0.2)
    result = train("ours", workload, **keys)
    assert len(result["seconds"]) == 2
    assert min(result["seconds"]) > 0
    with pytest.raises(RuntimeError, match="ours on G: accuracy"):
        train("ours", replace(workload, accuracy=1.01), **keys)


@pytest.mark.parametrize("batches", ["same", "different"])
@pytest.mark.parametrize("networks", [1, 3])
def test_a_stack_of_networks_is_timed(networks, batches):
    from benchmarks.peers.ours_stack import seconds_per_network

    assert 0 < seconds_per_network(replace(WORKLOADS["G"], epochs=2), networks, batches) < 10


def test_the_first_step_is_seen_from_outside(tmp_path):
    assert 0 < seconds_to_first_step(tmp_path) < 60


@pytest.mark.speed
@needs_affinity
def test_an_epoch_is_as_fast_as_the_same_steps_in_numpy_by_hand(mnist_cache, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(mnist_cache))
    measured = compare(WORKLOADS["A"], ["ours", "numpy_floor"], rounds=3, tell=lambda line: None)
    assert ratio(measured["ours"].seconds, measured["numpy_floor"].seconds) < 1.1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "nosuchcommit"], "no commit 'nosuchcommit'"),
        (["rules", "--rounds", "0"], "'--rounds'"),
        (["run", "--workload", "Z"], "'Z' is not one of"),
    ],
)
def test_what_cannot_be_measured_is_an_error_in_words(words, told):
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode in (1, 2)
    assert told in found.stderr
    assert "Traceback" not in found.stderr
