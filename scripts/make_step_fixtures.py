"""Train random experiments for five steps with PyTorch, as a reference for tests: tests/training/torch_runs.json.

    python scripts/make_step_fixtures.py        needs torch, as in the extra `bench`

The data, their order and the initial parameters are those of this program; the costs, their gradients, the steps and
the averages are PyTorch's, all in double precision.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from make_optimizer_fixtures import optimizer
from torch.nn import functional as F

from backprop_cli.config.load import override_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.errors import ConfigError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.activations import HIDDEN
from backprop_cli.objectives.costs import OUTPUT_PAIRS
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.training.loop import batches_of_epoch

FILE = Path(__file__).parents[1] / "tests" / "training" / "torch_runs.json"
COUNT, STEPS = 150, 5

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "gelu": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "identity": lambda z: z,
    "softmax": lambda z: torch.softmax(z, -1),
    "threshold": lambda z: (z >= 0).to(z.dtype),
    "winner": lambda z: F.one_hot(z.argmax(-1), z.shape[-1]).to(z.dtype),
}
DATASETS = [  # with the encodings, and the outputs of each
    ({"name": "moons", "n": 100}, 2, {"one_hot": 2, "scalar": 1}),
    ({"name": "blobs", "n": 100, "classes": 3}, 2, {"one_hot": 3, "binary": 2, "scalar": 1}),
    ({"name": "sine", "n": 100}, 1, {None: 1}),
]
SIZES = [  # training examples, batch size and epochs that make five steps
    {"train_size": 30, "batch_size": 6, "epochs": 1},
    {"train_size": 33, "batch_size": 7, "epochs": 1},
    {"train_size": 5, "batch_size": 1, "epochs": 1},
    {"train_size": 20, "batch_size": "full", "epochs": 5},
]
OPTIMIZERS = [
    {"name": "sgd"},
    {"name": "momentum", "mu": 0.9},
    {"name": "momentum", "mu": 0.5},
    {"name": "momentum", "mu": 0.0},
    {"name": "nesterov", "mu": 0.9},
    {"name": "adagrad", "eps": 1e-10},
    {"name": "rmsprop", "rho": 0.9, "eps": 1e-8},
    {"name": "adam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    {"name": "adamw", "beta1": 0.8, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1},
    {"name": "rprop", "eta_minus": 0.5, "eta_plus": 1.2, "smallest": 1e-6, "largest": 50.0},
]
SCHEDULES = [{"name": "step", "every": 2, "gamma": 0.5}, {"name": "exponential", "gamma": 0.5}, {"name": "cosine"}]


def random_config(rng: random.Random) -> dict[str, Any]:
    """Return a config; not every one can be run."""
    dataset, n_in, encodings = rng.choice(DATASETS)
    targets, n_out = rng.choice([*encodings.items(), next(iter(encodings.items()))])
    pairs = [pair for pair in OUTPUT_PAIRS if pair[0] in ("cross_entropy", "perceptron") or "softmax" in pair]
    cost, output = rng.choice(pairs if targets == "one_hot" and rng.random() < 0.6 else OUTPUT_PAIRS)
    hidden = [rng.randint(2, 4) for _ in range(rng.choice((0, 1, 1, 2)))]
    rule = rng.choice(OPTIMIZERS)
    config: dict[str, Any] = {"dataset": dataset, "layers": [n_in, *hidden, n_out], "validation": 0, "dtype": "float64"}
    config |= {"activation": rng.choice(list(HIDDEN)), "output": output, "seed": rng.randrange(1000)}
    config |= {"optimizer": rule, "eta": rng.choice((0.01, 0.1, 0.5)), "initializer": rng.choice(("scaled", "he"))}
    config |= rng.choice(SIZES)
    if rule["name"] == "rprop":
        config |= SIZES[-1]
    if targets:
        config["targets"] = targets
    options: dict[str, Any] = {"name": cost}
    if cost == "huber":
        options["width"] = rng.choice((0.2, 1.0))
    if cost == "cross_entropy" and targets == "one_hot" and rng.random() < 0.5:
        options |= {
            "smoothing": 0.1,
            "class_weights": [rng.choice((0.0, 0.5, 1.0, 3.0)) for _ in range(n_out - 1)] + [2],
        }
    config["cost"] = options
    strength = rng.choice(({}, {}, {"l1": 1.0}, {"l2": 2.0}, {"l1": 0.5, "l2": 3.0}, {"l1": 2.0, "l2": 5.0}))
    if strength:
        config["lambda"] = strength
    if hidden and rng.random() < 0.2:
        config["max_norm"] = rng.choice((0.5, 1.0))
    if rng.random() < 0.2:
        config["average"] = {"name": "ema", "decay": rng.choice((0.3, 0.99))}
    if rule["name"] not in ("momentum", "nesterov", "rprop"):  # whose steps of old PyTorch multiplies by the new eta
        if rng.random() < 0.3:
            config["schedule"] = rng.choice(SCHEDULES)
        if config["epochs"] > 1 and rng.random() < 0.5:
            config["warmup"] = 2.0
    return config


def cost_of(e: Experiment, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean cost of a batch, given z (m, n_L) of the last layer."""
    name, a, m = e.cost.name, ACTIVATIONS[e.activations[-1]](z), len(y)
    weights = getattr(e.cost, "class_weights", None)
    weight = torch.ones(m, dtype=z.dtype) if weights is None else torch.tensor(weights, dtype=z.dtype)[y.argmax(-1)]
    if name == "cross_entropy":
        s = e.cost.smoothing
        y = (1 - s) * y + s / y.shape[-1]
        if e.activations[-1] == "softmax":
            each = -(y * torch.log_softmax(z, -1)).sum(-1)
        else:
            each = F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(-1)
    elif name == "quadratic":
        each = 0.5 * F.mse_loss(a, y, reduction="none").sum(-1)
    elif name == "absolute":
        each = F.l1_loss(a, y, reduction="none").sum(-1)
    elif name == "huber":
        each = F.huber_loss(a, y, reduction="none", delta=e.cost.width).sum(-1)
    else:
        each = ((a - y) * z).sum(-1)
    return (weight * each).sum() / m


def eta_of(e: Experiment, t: float, steps: int) -> float:
    """Return eta at time t, in epochs."""
    risen = 1.0
    if e.warmup:
        risen, t, total = (
            min((t + 1 / steps if steps > 1 else t + 1) / e.warmup, 1),
            max(t - e.warmup, 0),
            e.epochs - e.warmup,
        )
    else:
        total = float(e.epochs)
    s = e.schedule
    factor = {
        "constant": lambda: 1.0,
        "step": lambda: s.gamma ** (t // s.every),
        "exponential": lambda: s.gamma**t,
        "cosine": lambda: (1 + torch.cos(torch.tensor(torch.pi * t / total, dtype=torch.float64)).item()) / 2,
    }[s.name]()
    return e.eta * risen * factor


def train(e: Experiment) -> list[float]:
    """Return the parameters that are evaluated after training: W1, …, WL, b1, …, bL, each row by row."""
    data = load_data(e, Cache(Path("unused"), offline=True))
    plan = build_plan(e, data)
    named = plan.objective.layout.named(initial_theta(e))
    depth = len(e.sizes) - 1
    params = [torch.tensor(named[f"{letter}{l}"]) for letter in "Wb" for l in range(1, depth + 1)]
    Ws, bs = params[:depth], params[depth:]
    x = torch.tensor(data.train.inputs * data.scale, dtype=torch.float64)
    y = torch.tensor(data.task.encode(data.train.targets, "float64"))
    options = {key: value for key, value in vars(e.optimizer).items()}
    rules = [optimizer(e.optimizer.name, options, e.eta, p.requires_grad_()) for p in params]
    average, t = [p.detach().clone() for p in params], 0
    for epoch in range(1, e.epochs + 1):
        batches = batches_of_epoch(plan, epoch)
        for step, rows in enumerate(batches):
            a = x[torch.tensor(rows)]
            for W, b, name in zip(Ws, bs, e.activations, strict=True):
                z = a @ W.T + b
                a = ACTIVATIONS[name](z)
            loss = cost_of(e, z, y[torch.tensor(rows)])
            for name, strength in e.strengths.items():
                for W in Ws:
                    loss = loss + strength / len(x) * (W.abs().sum() if name == "l1" else 0.5 * (W * W).sum())
            for p, rule in zip(params, rules, strict=True):
                rule.param_groups[0]["lr"] = eta_of(e, epoch - 1 + step / len(batches), len(batches))
                p.grad = None
            loss.backward()
            for rule in rules:
                rule.step()
            with torch.no_grad():
                if e.max_norm:
                    for W in Ws[:-1]:
                        W *= (e.max_norm / W.norm(dim=1, keepdim=True)).clamp(max=1)
                t += 1
                if e.average:
                    d = min(e.average.decay, (1 + t) / (10 + t))
                    average = [d * old + (1 - d) * p for old, p in zip(average, params, strict=True)]
    assert t == STEPS
    return [value for p in (average if e.average else params) for value in p.detach().ravel().tolist()]


def main() -> None:
    rng, cases = random.Random(0), []
    while len(cases) < COUNT:
        config = random_config(rng)
        try:
            experiment = override_experiment(config, [], "config")
        except ConfigError:
            continue
        cases.append({"config": config, "theta": train(experiment)})
    lines = ",\n".join(json.dumps(case) for case in cases)
    FILE.write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{FILE}: {len(cases)} experiments, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
