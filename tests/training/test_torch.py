"""Random experiments make the same five steps as PyTorch; scripts/make_step_fixtures.py has recorded those."""

import json
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.config.load import override_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.training.loop import train

TORCH = json.loads((Path(__file__).parent / "torch_runs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", TORCH["cases"], ids=range(len(TORCH["cases"])))
def test_training_gives_the_parameters_of_pytorch(case, tmp_path):
    experiment = override_experiment(case["config"], [], "config")
    plan = build_plan(experiment, load_data(experiment, Cache(tmp_path, offline=True)))
    state = plan.initial_state(initial_theta(experiment))
    list(train(plan, state))
    named = plan.objective.layout.named(state.evaluated_theta)
    found = np.concatenate([named[name].ravel() for name in sorted(named)])  # W1, W2, …, b1, b2, …
    np.testing.assert_allclose(found, case["theta"], rtol=1e-10, atol=1e-10)


PARTS = ["l1", "l2", "max_norm", "average", "schedule", "warmup", "class_weights", "softmax", "winner", "nesterov"]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_in_some_of_the_experiments(part):
    assert sum(f'"{part}"' in json.dumps(case["config"]) for case in TORCH["cases"]) >= 3


def test_plain_sgd_with_both_penalties_is_in_some_of_the_experiments():
    configs = [case["config"] for case in TORCH["cases"]]
    assert sum(c["optimizer"]["name"] == "sgd" and len(c.get("lambda", {})) == 2 for c in configs) >= 3
