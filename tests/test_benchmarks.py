import os

import pytest

from benchmarks.measure import PEERS, Measured, compare, peers_for, ratio
from benchmarks.workloads import BARS, WORKLOADS, Workload


def test_a_workload_survives_a_json_round_trip():
    for workload in WORKLOADS.values():
        assert Workload.from_json(workload.to_json()) == workload


def test_bars_are_for_known_workloads_and_peers():
    for name, peer in BARS:
        assert peer in peers_for(WORKLOADS[name], PEERS)


def test_a_ratio_is_taken_round_by_round():
    assert ratio(Measured([1.0, 2.0, 9.0]), Measured([2.0, 4.0, 3.0])) == 0.5


@pytest.mark.speed
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are assigned by sched_setaffinity (Linux)")
def test_an_epoch_is_as_fast_as_the_same_steps_in_numpy_by_hand(mnist_cache, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(mnist_cache))
    measured = compare(WORKLOADS["A"], ["ours", "numpy_floor"], rounds=3, tell=lambda line: None)
    assert ratio(measured["ours"], measured["numpy_floor"]) < 1.1
