"""Boltzmann machines beside scikit-learn's BernoulliRBM, and what their features are worth.

    python -m benchmarks.boltzmann speed       an epoch of 784-500, CD-1, batch size 10; needs MNIST
    python -m benchmarks.boltzmann features    the logistic regression of row 36 of docs/results.md

The data of row 36 are those of scikit-learn's example plot_rbm_logistic_classification: the digits and their four
shifts by one pixel, a fifth of them for testing.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np

import backprop_cli as bp
from backprop_cli.api import cache_in
from backprop_cli.config.arguments import experiment_from
from backprop_cli.nn.arrays import Array
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.threads import limit_threads
from backprop_cli.training.loop import EpochResult, train

SPEED = {"dataset": "mnist", "layers": [784, 500], "cost": "cd", "batch_size": 10, "epochs": 1, "threads": 1}
FEATURES = Path(__file__).parents[1] / "configs" / "published" / "36.yaml"


@click.group()
def cli() -> None:
    """Measure Boltzmann machines."""


@cli.command()
@click.option("--examples", default=10_000, show_default=True, help="Training examples of the epoch.")
@click.option("--rounds", default=5, show_default=True)
def speed(examples: int, rounds: int) -> None:
    """Print the time of an epoch divided by that of scikit-learn, in pairs; both on one thread, in float32."""
    from sklearn.neural_network import BernoulliRBM

    e = experiment_from({**SPEED, "train_size": examples}, ["validation=1"])
    data = load_data(e, cache_in(os.environ.get("BACKPROP_DATA_DIR"), False))
    plan = build_plan(e, data)
    x = data.x(data.train.inputs, np.float32)
    ratios = []
    with limit_threads(1):
        for number in range(rounds):
            *_, result = train(plan, plan.initial_state(initial_theta(e, data=data)))
            peer = BernoulliRBM(500, learning_rate=0.05, batch_size=10, n_iter=1, random_state=number)
            started = time.perf_counter()
            peer.fit(x)
            theirs = time.perf_counter() - started
            assert isinstance(result, EpochResult), "the last event is an epoch"
            ratios.append(result.seconds / theirs)
            click.echo(f"ours {result.seconds:.2f} s, scikit-learn {theirs:.2f} s, ratio {ratios[-1]:.2f}")
    click.echo(f"median ratio {median(ratios):.2f}")


@cli.command()
@click.option("--seeds", default=3, show_default=True)
def features(seeds: int) -> None:
    """Print the accuracy of a logistic regression on the features of an RBM, and on the pixels."""
    pixels, labels = shifted_digits()
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(pixels))
        train_rows, test_rows = order[len(order) // 5 :], order[: len(order) // 5]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "digits.npz"
            x, y = pixels[train_rows], labels[train_rows]
            np.savez(path, x=x, y=y, x_test=pixels[test_rows], y_test=labels[test_rows])
            source = {"name": "arrays", "file": str(path)}
            run = bp.train(FEATURES, runs_dir=None, dataset=source, validation=0, seed=seed)
        pseudo_likelihood = run.metrics["train_pseudo_likelihood"][[0, 9, 19]].round(1).tolist()
        found = [
            accuracy(f(pixels[train_rows]), labels[train_rows], f(pixels[test_rows]), labels[test_rows], C)
            for f, C in ((run.predict, 6000), (lambda x: x, 100))
        ]
        click.echo(
            f"seed {seed}: pseudo-likelihood {pseudo_likelihood}, features {found[0]:.3f}, pixels {found[1]:.3f}"
        )


def shifted_digits() -> tuple[Array, Array]:
    """Return the 1,797 digits and their shifts, pixels (8985, 64) from 0 to 1, and labels."""
    data = load_data(experiment_from({"dataset": "digits", "layers": [64, 10]}, []), cache_in(None, True))
    splits = (data.train, data.validation, data.test)
    images = np.concatenate([split.inputs for split in splits]).reshape(-1, 8, 8) / 16
    copies = [images]
    for axis in (1, 2):
        for step in (1, -1):
            copy = np.roll(images, step, axis)
            np.moveaxis(copy, axis, 0)[0 if step == 1 else -1] = 0
            copies.append(copy)
    labels = np.concatenate([split.targets for split in splits])
    return np.concatenate(copies).reshape(-1, 64).astype(np.float32), np.tile(labels, len(copies))


def accuracy(x: Array, y: Array, x_test: Array, y_test: Array, C: float) -> float:
    """Return the test accuracy of the logistic regression that scikit-learn calls C: ½ ‖w‖² + C Σ cost."""
    fitted = bp.fit([10], x, y, optimizer="lbfgs", lmbda=1 / C, epochs=300, initializer="zeros", dtype="float64")
    return float(np.mean(fitted.predict(x_test) == y_test))


if __name__ == "__main__":
    cli()
