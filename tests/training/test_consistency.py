"""A checkpoint with a correct SHA-256 whose numbers no run can have led to is not continued."""

import numpy as np
import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.conftest import ROOT
from tests.reliability.test_signed_checkpoint import EXPERIMENTS, trained, write

NAN, INF = float("nan"), float("inf")


def resumed(backprop, tmp_path, kind, meta=(), arrays=()):
    """Resume a run of the kind after 3 epochs, of 5, with other numbers of the status and other arrays."""
    run, status, named = trained(backprop, tmp_path / "x", EXPERIMENTS[kind])
    for name, value in dict(meta).items():
        place = status[name.partition(".")[0]] if "." in name else status
        place[name.partition(".")[2] or name] = value
    for name, value in dict(arrays).items():
        named[name] = np.full_like(named[name], value)
    write(run / "checkpoints/last.npz", status, named)
    return backprop("resume", run, "--epochs", 5, "--data-dir", ROOT)


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_an_unchanged_state_is_continued(backprop, tmp_path, kind):
    assert resumed(backprop, tmp_path, kind).code == 0
    assert read_checkpoint(tmp_path / "x/run/checkpoints/last.npz").meta.status.epoch == 5


@pytest.mark.parametrize(
    ("kind", "arrays", "reason"),
    [
        ("perceptron", {"epoch.mistakes": NAN}, "epoch.mistakes is nan"),
        ("perceptron", {"epoch.mistakes": 51}, "epoch.mistakes is 51"),
        ("perceptron", {"W1": NAN}, "its parameters are not finite"),
        ("lbfgs", {"optimizer.y": 0}, "the arrays of lbfgs"),
        ("lbfgs", {"optimizer.count": -INF}, "the arrays of lbfgs"),
        ("lbfgs", {"optimizer.count": 9}, "the arrays of lbfgs"),
        ("cg", {"optimizer.decrease": 1}, "the arrays of cg"),
        ("cg", {"epoch.converged": 2}, "epoch.converged is 2"),
        ("adam, average", {"optimizer.t": -1}, "the arrays of adam"),
        ("adam, average", {"optimizer.m": NAN}, "the arrays of adam"),
        ("adam, average", {"average.t": 1e9}, "the arrays of ema"),
        ("adam, average", {"average.theta": INF}, "average.theta is not finite"),
        ("momentum, values", {"optimizer.v": NAN}, "the arrays of momentum"),
    ],
    ids=str,
)
def test_impossible_arrays_are_refused(backprop, tmp_path, kind, arrays, reason):
    done = resumed(backprop, tmp_path, kind, arrays=arrays)
    assert (done.code, reason in done.err, "last.npz: " in done.err) == (1, True, True), done


@pytest.mark.parametrize(
    "meta",
    [
        {"status.epoch": 4},
        {"status.step": 9},
        {"status.seconds": 1e300},
        {"status.best": [4, 0.5]},
        {"status.improved": [0, 0.5]},
        {"status.halvings": 4},
        {"status.halved_at": 4},
        {"best.epoch": 4},
        {"last.train_cost": 10**400},
    ],
    ids=str,
)
def test_impossible_numbers_are_refused(backprop, tmp_path, meta):
    done = resumed(backprop, tmp_path, "adam, average", meta=meta)
    assert (done.code, "not a state of" in done.err) == (1, True), done
