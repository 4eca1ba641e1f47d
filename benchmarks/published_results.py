"""Fill the table of docs/results.md: published results beside those of the runs in a folder.

benchmarks/published_results.py [RUNS]: a folder with runs called NAME-seedN, as benchmarks/published.sh makes them.
Lines of which it has no run stay as they are.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from platformdirs import user_cache_path

from backprop_cli import likelihood, load_run
from backprop_cli.config.load import load_experiment
from backprop_cli.data.cache import Cache
from backprop_cli.experiment.schema import Experiment
from backprop_cli.runs.build import build_plan, initial_theta, load_data
from backprop_cli.sources.mnist import Mnist
from backprop_cli.text import duration
from backprop_cli.threads import limit_threads
from backprop_cli.training.evaluation import Evaluator
from backprop_cli.training.loop import EpochResult, train

ROOT = Path(__file__).parents[1]
CACHE = Cache(Path(os.environ.get("BACKPROP_DATA_DIR") or user_cache_path("backprop")))
DOCUMENT = ROOT / "docs" / "results.md"
PART = re.compile(r"(<!-- measured: results -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, its run.json, and its metrics as a list of rows."""

    folder: Path
    record: dict
    rows: list[dict[str, float]]

    def test(self) -> float:
        return 100 * self.record["test"]["accuracy"]

    def best_validation(self) -> float:
        return max(self.validation(row) for row in self.rows)

    def first_validation(self) -> float:
        return self.validation(self.rows[0])

    def tenth_validation(self) -> float:
        return self.validation(self.rows[:10][-1])

    def last_validation(self) -> float:
        return self.validation(self.rows[-1])

    def last_train(self) -> float:
        return 100 * self.rows[-1]["train_accuracy"]

    def error(self) -> float:
        return 100 - self.test()

    def test_cost(self) -> float:
        return self.record["test"]["cost"]

    def cost_per_pixel(self) -> float:
        return self.record["test"]["cost"] / 784

    def squared_error(self) -> float:
        return self.record["test"]["squared_error"]

    def noisy_squared_error(self, epoch: int) -> float:
        """The squared error of a training image, from an input with noise as in training."""
        run = load_run(self.folder, data_dir=os.environ.get("BACKPROP_DATA_DIR")).at(epoch)
        pixels, rng, total = run.examples("train").inputs, np.random.default_rng(0), 0.0
        for start in range(0, len(pixels), 1000):
            x = pixels[start : start + 1000] / np.float32(255)
            kept = rng.random(x.shape, np.float32) >= 0.2
            total += float(np.square(run.outputs(x * kept * 255) - x).sum())
        return total / len(pixels)

    def likelihood(self, split: str) -> float:
        return likelihood(self.folder, split, data_dir=os.environ.get("BACKPROP_DATA_DIR")).value

    def validation_error(self) -> float:
        return 100 - self.best_validation()

    def best_on_test(self) -> float:
        """The highest test accuracy of any epoch; needs a second training, since `train` does not record it."""
        memory = self.folder.parent / "best_on_test.json"
        known = json.loads(memory.read_text()) if memory.exists() else {}
        if self.folder.name not in known:
            known[self.folder.name] = 100 * highest_test_accuracy(load_experiment(self.folder / "config.yaml"))
            memory.write_text(json.dumps(known, indent=2))
        return known[self.folder.name]

    @staticmethod
    def validation(row: dict[str, float]) -> float:
        return 100 * row["val_accuracy"]


@dataclass(frozen=True)
class Figure:
    """A published number, and where ours is found; of all runs, or only of the best one by validation."""

    row: int
    config: str
    what: str
    published: str
    ours: Callable[[Run], float]
    best: bool = False
    digits: int = 2

    def of(self, runs: list[Run]) -> str:
        if not runs:
            return "not run"
        chosen = [max(runs, key=Run.best_validation)] if self.best else runs
        values = [self.ours(run) for run in chosen]
        of_all, low, high = (f"{value:.{self.digits}f}" for value in (mean(values), min(values), max(values)))
        return of_all if len(values) == 1 else f"{of_all} ({low} to {high})"


def at_epoch(epoch: int) -> Callable[[Run], float]:
    """Return what gives the pseudo-likelihood of the training examples after an epoch."""
    return lambda run: run.rows[epoch - 1]["train_pseudo_likelihood"]


SQUARED, PER_PIXEL = "squared error of a test image", "test cost per pixel"
NOISY, PSEUDO = "squared error of a training image, with noise, {}", "pseudo-likelihood of training examples, epoch {}"

FIGURES = [
    Figure(1, "01", "test, 3 epochs", "better than 95 “is possible”", Run.test),
    Figure(1, "01-ema", "the same with `average: ema`", "", Run.test),
    Figure(2, "02", "test, epoch that is best on test", "95.42", Run.best_on_test),
    Figure(2, "02", "test, epoch that is best on validation", "", Run.test),
    Figure(3, "03", "test, epoch that is best on test", "96.59, “some runs quite bad”", Run.best_on_test),
    Figure(3, "03", "test, epoch that is best on validation", "", Run.test),
    Figure(4, "04", "validation, first epoch", "11.4", Run.first_validation),
    Figure(4, "04", "validation, last epoch", "21.4", Run.last_validation),
    Figure(5, "05", "validation, last epoch", "about 10", Run.last_validation),
    Figure(7, "07", "test, epoch that is best on test", "95.49", Run.best_on_test),
    Figure(7, "07", "test, epoch that is best on validation", "", Run.test),
    Figure(8, "08", "test, epoch that is best on test", "96.82", Run.best_on_test),
    Figure(8, "08", "test, epoch that is best on validation", "", Run.test),
    Figure(9, "09", "test, epoch that is best on test", "96.49", Run.best_on_test),
    Figure(9, "09", "test, epoch that is best on validation", "", Run.test),
    Figure(9, "09", "train, last epoch", "97.12", Run.last_train),
    Figure(10, "10", "validation, best epoch", "97.92", Run.best_validation),
    Figure(11, "11", "validation, best epoch", "98.04", Run.best_validation),
    Figure(12, "12-scaled", "validation, first epoch", "92.70", Run.first_validation),
    Figure(12, "12-scaled", "validation, best epoch", "96.53", Run.best_validation),
    Figure(12, "12-large", "validation, first epoch", "86.43", Run.first_validation),
    Figure(12, "12-large", "validation, best epoch", "96.48", Run.best_validation),
    Figure(13, "13-depth1", "validation, best epoch", "96.48", Run.best_validation),
    Figure(13, "13-depth2", "validation, best epoch", "96.90", Run.best_validation),
    Figure(13, "13-depth3", "validation, best epoch", "96.57", Run.best_validation),
    Figure(13, "13-depth4", "validation, best epoch", "96.53", Run.best_validation),
    Figure(14, "14", "test, best epoch", "97.80", Run.test),
    Figure(15, "15", "test error", "12.0", Run.error),
    Figure(16, "16", "test error", "4.7", Run.error),
    Figure(17, "17", "test error", "1.6", Run.error),
    Figure(18, "18", "test", "98.40", Run.test),
    Figure(19, "19", "train", "98.68", Run.last_train),
    Figure(19, "19", "test", "97.00", Run.test),
    Figure(20, "20", "test error", "1.25", Run.error),
    Figure(20, "20-max-norm", "test error", "1.06", Run.error),
    Figure(21, "21", "test, best epoch", "", Run.test),
    Figure(21, "21", "the same, best run by validation", "98.78", Run.test, best=True),
    Figure(22, "22", "test, best epoch", "", Run.test),
    Figure(22, "22", "the same, best run by validation", "99.06", Run.test, best=True),
    Figure(23, "23", "test, best epoch", "", Run.test),
    Figure(23, "23", "the same, best run by validation", "99.23", Run.test, best=True),
    Figure(24, "24", "test, best epoch", "99.37", Run.test),
    Figure(25, "25", "test, best epoch", "99.43", Run.test),
    Figure(26, "26", "validation error, best epoch", "0.91", Run.validation_error),
    Figure(26, "26", "test error, best epoch", "0.92", Run.error),
    Figure(27, "27", "validation, first epoch", "97.80", Run.first_validation),
    Figure(27, "27", "validation, epoch 10", "99.20", Run.tenth_validation),
    Figure(27, "27", "test", "99.22", Run.test),
    Figure(27, "27", "test cost (not in %)", "0.0240", Run.test_cost, digits=4),
    Figure(28, "28", "test", "99.25", Run.test),
    Figure(30, "30", SQUARED, "3.00; 6 asked for", Run.squared_error),
    Figure(31, "31", PER_PIXEL, "0.0915", Run.cost_per_pixel, digits=4),
    Figure(32, "32", PER_PIXEL, "0.097", Run.cost_per_pixel, digits=4),
    Figure(33, "33", PER_PIXEL, "0.094", Run.cost_per_pixel, digits=4),
    Figure(33, "33-adam", f"{PER_PIXEL}, with Adam", "0.094", Run.cost_per_pixel, digits=4),
    Figure(34, "34", NOISY.format("epoch 1"), "29.16", lambda run: run.noisy_squared_error(1)),
    Figure(34, "34", NOISY.format("epoch 2"), "21.97", lambda run: run.noisy_squared_error(2)),
    Figure(34, "34", NOISY.format("epoch 10"), "11.41", lambda run: run.noisy_squared_error(10)),
    Figure(35, "35-softmax", "test, before fine-tuning", "87.7", Run.test),
    Figure(35, "35", "test, after fine-tuning", "97.6", Run.test),
    Figure(36, "36", PSEUDO.format(1), "-25.6", at_epoch(1), digits=1),
    Figure(36, "36", PSEUDO.format(10), "-20.2", at_epoch(10), digits=1),
    Figure(36, "36", PSEUDO.format(20), "-19.2", at_epoch(20), digits=1),
    Figure(37, "37", PSEUDO.format(1), "-90.65 (mean of the epoch)", at_epoch(1)),
    Figure(37, "37", PSEUDO.format(3), "-74.91 (mean of the epoch)", at_epoch(3)),
    Figure(37, "37", PSEUDO.format(15), "-62.76 (mean of the epoch)", at_epoch(15)),
    Figure(38, "38", "log-likelihood of training images (exact)", "-149.61", lambda run: run.likelihood("train")),
    Figure(38, "38", "log-likelihood of test images (exact)", "-149.05", lambda run: run.likelihood("test")),
    Figure(39, "39-55000", "test, 60,000 labels, pre-trained", "98.73", Run.test),
    Figure(39, "39-55000-random", "test, 60,000 labels, random start", "98.20", Run.test),
    Figure(39, "39-1000", "test, 1,000 labels, pre-trained", "93.65", Run.test),
    Figure(39, "39-1000-random", "test, 1,000 labels, random start", "88.71", Run.test),
    Figure(39, "39-100", "test, 100 labels, pre-trained", "81.70", Run.test),
    Figure(39, "39-100-random", "test, 100 labels, random start", "76.02", Run.test),
    Figure(40, "40", "test error", "1.2", Run.error),
]

SOURCES = {
    1: "Shanahan, notes",
    **dict.fromkeys(range(2, 7), "Nielsen, ch. 1"),
    **dict.fromkeys(range(7, 13), "Nielsen, ch. 3"),
    13: "Nielsen, ch. 5",
    14: "Nielsen, ch. 6",
    15: "LeCun 1998",
    16: "LeCun 1998",
    17: "Simard 2003",
    18: "Keras",
    19: "scikit-learn",
    20: "Srivastava 2014",
    **dict.fromkeys(range(21, 26), "Nielsen, ch. 6"),
    26: "Theano tutorial",
    **dict.fromkeys((27, 28), "Keras"),
    **dict.fromkeys((29, 30, 40), "Hinton & Salakhutdinov 2006"),
    **dict.fromkeys((31, 32, 33), "Keras blog"),
    34: "pylearn2 tutorial",
    35: "UFLDL",
    36: "scikit-learn",
    37: "Theano tutorial",
    38: "PyDeep tutorial",
    39: "yell/boltzmann-machines",
}
"""Where the published number of each row is from; the configs have the details."""


def runs_of(folder: Path, config: str) -> list[Run]:
    found = []
    for path in sorted(folder.glob(f"{config}-seed*")):
        record = json.loads((path / "run.json").read_text())
        if record["status"] in ("finished", "stopped_early"):
            with open(path / "metrics.csv") as file:
                rows = [
                    {key: float(value or "nan") for key, value in row.items() if key != "phase"}
                    for row in csv.DictReader(file)
                ]
            found.append(Run(path, record, rows))
    return found


def highest_test_accuracy(experiment: Experiment) -> float:
    data = load_data(experiment, CACHE)
    plan = build_plan(experiment, data)
    state = plan.initial_state(initial_theta(experiment))
    test = Evaluator(plan.objective.estimator, state.evaluated_theta, data.scale, data.task)
    with limit_threads(1):
        epochs = (event for event in train(plan, state) if isinstance(event, EpochResult))
        return max(test.score(data.test).accuracy or 0.0 for _ in epochs)


def darkness() -> int:
    """Row 6: how many test images are nearest to the mean darkness of their own class (Nielsen, chapter 1)."""
    pool, test = Mnist().load(CACHE)
    train = pool[:50_000]
    dark, test_dark = (split.inputs.sum(axis=1, dtype=np.int64) for split in (train, test))
    means = np.array([dark[train.targets == digit].mean() for digit in range(10)])
    return int(np.count_nonzero(np.abs(test_dark[:, None] - means).argmin(axis=1) == test.targets))


def component_error(components: int = 30) -> float:
    """Row 29: the squared error of a test image that its first principal components give."""
    pool, test = (split.inputs / 255 for split in Mnist().load(CACHE))
    center = pool.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(pool.T))
    codes = (test - center) @ vectors[:, -components:]
    return float(np.square(test - center - codes @ vectors[:, -components:].T).sum(axis=1).mean())


def table(folder: Path, right_by_darkness: int, error_of_components: float, before: str) -> str:
    lines = [
        "| row | source | config | metric, in % if nothing else is said | published | ours | seeds | time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines_of = {figure.row: [] for figure in FIGURES} | {6: [
        f"| 6 | {SOURCES[6]} | (no network) "
        f"| nearest mean darkness, correct of 10,000 | 2,225 | {right_by_darkness:,} | none | |"
    ], 29: [
        f"| 29 | {SOURCES[29]} | (no network) "
        f"| {SQUARED}, 30 principal components | 13.87 | {error_of_components:.3f} | none | |"
    ]}  # fmt: skip
    for figure in FIGURES:
        runs = runs_of(folder, figure.config)
        time = duration(mean(run.record["seconds"] for run in runs)) if runs else ""
        config = f"[{figure.config}](../configs/published/{figure.config}.yaml)"
        start = f"| {figure.row} | {SOURCES[figure.row]} | {config} | {figure.what} |"
        line = f"{start} {figure.published} | {figure.of(runs)} | {len(runs)} | {time} |"
        known = [line for line in before.splitlines() if line.startswith(start)]
        lines_of[figure.row].append(known[0] if known and not runs else line)
    for number in sorted(lines_of):
        lines += lines_of[number]
    return "\n".join(lines) + "\n"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/published")
    text = DOCUMENT.read_text(encoding="utf-8")
    before = PART.search(text)
    assert before, f"{DOCUMENT} has a place for the table"
    new = table(folder, darkness(), component_error(), before[0])
    DOCUMENT.write_text(PART.sub(lambda part: part[1] + new + part[2], text), encoding="utf-8")
    print(new)


if __name__ == "__main__":
    main()
