"""format1/*.npz were written by version 0.1: runs after 4 of 8 epochs, and the same runs after 8."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.errors import CheckpointError
from backprop_cli.runs.build import build_plan, load_data, theta_of
from backprop_cli.runs.checkpoint import read_checkpoint
from backprop_cli.runs.model import experiment_of
from backprop_cli.training.loop import train
from backprop_cli.training.state import TrainingState

FOLDER = Path(__file__).parent / "format1"
RUNS = sorted(path.name.removesuffix("-4.npz") for path in FOLDER.glob("*-4.npz"))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_version_0_1_continues_as_in_that_version(name, tmp_path):
    before, after = (read_checkpoint(FOLDER / f"{name}-{epochs}.npz") for epochs in (4, 8))
    experiment = experiment_of(before, name, epochs=8)
    plan = build_plan(experiment, load_data(experiment, Cache(tmp_path)))
    theta = theta_of(experiment, plan.objective.layout, before.parameters)
    arrays = {key: array.copy() for key, array in before.arrays.items()}
    state = TrainingState(theta, arrays, dataclasses.replace(before.meta.status))
    list(train(plan, state))
    expected = theta_of(experiment, plan.objective.layout, after.parameters)
    np.testing.assert_allclose(state.theta, expected, rtol=1e-9)
    (epoch, value), (first, expected_value) = state.status.best, after.meta.status.best
    assert value == pytest.approx(expected_value)
    assert epoch >= first  # that version kept the first of several best epochs
    assert set(state.arrays) == set(after.arrays)
    for key, array in after.arrays.items():
        np.testing.assert_allclose(state.arrays[key], array, rtol=1e-8, atol=1e-12)


def test_a_checkpoint_of_a_newer_format_says_so(tmp_path):
    with np.load(FOLDER / "momentum-4.npz", allow_pickle=False) as file:
        entries = dict(file)
    meta = json.loads(str(entries.pop("meta")))
    buffer = io.BytesIO()
    np.savez(buffer, **entries, meta=np.array(json.dumps(meta | {"format": 3})))
    (tmp_path / "new.npz").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match=r"made by a newer version of backprop \(format 3\)"):
        read_checkpoint(tmp_path / "new.npz")
