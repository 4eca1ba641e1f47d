"""A checkpoint whose numbers were changed and which was signed again: every command reads it, or refuses it in a line.

Nothing in such a file is damaged, so that only the values themselves can be refused.
"""

import copy
import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.runs.checkpoint import _digest
from tests.reliability.limits import Limits
from tests.runs.test_formats import FOLDER

VALUES = [None, True, False, 0, -1, 1, 3, 0.5, -0.5, 2**31, 10**18, 10**400, float("nan"), float("inf"), -float("inf")]
VALUES += [1e308, -1e308, 5e-324, "", "x", "\x1b]0;x\a", "\ud800", "x" * 3000, [], [1], [2, 0.5], {}, {"epoch": 1}]
NUMBERS = [0, -1, 1, 0.5, 7, 1e30, -1e30, 1e308, 5e-324, float("nan"), float("inf"), -float("inf")]

POINTS = "dataset: {name: moons, n: 60}\nlayers: 2-4-1\nepochs: 3\nvalidation: 10\nbatch_size: 7\n"
EXPERIMENTS = {
    "perceptron": "dataset: {name: moons, n: 60}\nlayers: 2-1\noutput: threshold\ncost: perceptron\n"
    "epochs: 3\nvalidation: 10\n",
    "lbfgs": POINTS.replace("batch_size: 7", "batch_size: full")
    + "optimizer: {name: lbfgs, history: 3}\ndtype: float64\n",
    "cg": POINTS.replace("batch_size: 7", "batch_size: full") + "optimizer: cg\ndiagnostics: true\n",
    "adam, average": POINTS + "optimizer: adam\naverage: ema\nschedule: {name: plateau, patience: 1}\n"
    "early_stopping: {patience: 9}\n",
    "momentum, values": "dataset: {name: sine, n: 60}\nlayers: 1-5-1\nepochs: 3\nvalidation: 10\noptimizer: momentum\n",
    "table": "dataset: {name: table, file: ../t.csv, target: y}\nlayers: auto-4-auto\noutput: softmax\n"
    "cost: cross_entropy\nepochs: 3\nbatch_size: 7\n",
    "table, values": "dataset: {name: table, file: ../t.csv, target: size, ignore: [y]}\nlayers: auto-4-auto\n"
    "output: identity\nepochs: 3\nbatch_size: 7\n",
}
TABLE = "size,colour,y\n" + "".join(f"{k % 9}.{k},{('red', 'green', '')[k % 3]},{'ny'[k % 2]}\n" for k in range(60))
COMMANDS = [
    ("resume", "run", "--epochs", 5),
    ("eval", "run", "--checkpoint", "last"),
    ("predict", "run", "x.csv", "--checkpoint", "last"),
    ("export", "run", "-o", "net.h"),
    ("plot", "run", "--checkpoint", "last"),
]


def read(path):
    """The meta of a checkpoint, of any format and not checked, and its arrays."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays.pop("meta")))
    meta.pop("sha256")
    return meta, arrays


def write(path, meta, arrays):
    """Write a checkpoint with a correct SHA-256."""
    content = json.loads(json.dumps(meta))
    text = json.dumps({**content, "sha256": _digest(content, arrays)})
    file = io.BytesIO()
    np.savez(file, **arrays, meta=np.array(text))
    path.write_bytes(file.getvalue())


def places(value, path=()):
    """Yield the path of every value inside."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def change_meta(meta, rng):
    """Change a value of the meta, more often one of the state of training than one of the experiment."""
    parts = [name for name in meta if name not in ("experiment", "versions", "format")]
    start = rng.choice([*parts, *parts, "experiment", None])
    inside = list(places(meta[start], (start,))) if start else list(places(meta))
    *way, key = rng.choice([(start,), *inside] if start else inside)
    place = meta
    for step in way:
        place = place[step]
    old = place[key]
    if rng.random() < 0.1:
        del place[key]
    elif isinstance(old, int | float) and rng.random() < 0.4:
        place[key] = rng.choice((old + 1, old - 1, 2 * old, -old, old + 0.5))
    else:
        place[key] = copy.deepcopy(rng.choice(VALUES))


def change_arrays(arrays, rng):
    """Change numbers, type, shape or name of an array; more often one that is no parameter."""
    others = [name for name in arrays if "." in name]
    name = rng.choice(others if others and rng.random() < 0.7 else list(arrays))
    array = arrays[name].copy()
    match rng.choice(("one", "one", "all", "scale", "dtype", "shape", "name", "drop", "swap")):
        case "one" if array.size:
            with np.errstate(over="ignore"):
                array.flat[rng.randrange(array.size)] = np.asarray(rng.choice(NUMBERS)).astype(array.dtype)
        case "all":
            with np.errstate(over="ignore"):
                array[...] = np.asarray(rng.choice(NUMBERS)).astype(array.dtype)
        case "scale":
            with np.errstate(all="ignore"):
                array = np.asarray(array * array.dtype.type(rng.choice((-1, 1e10, 1e30, 1e-30))))
        case "dtype":
            with np.errstate(all="ignore"):
                wide = np.asarray(array, np.float64) * rng.choice((1, 1, 1e300))
                array = wide if array.dtype == np.float32 else array.astype(np.float32)
        case "shape":
            array = rng.choice((array.T, array.ravel(), array[None], np.zeros((0, 3), array.dtype), array.ravel()[:1]))
        case "name":
            arrays[rng.choice(("W9", "b1", "optimizer.x", "optimizer.t", "average.theta", "epoch.mistakes"))] = array
        case "drop":
            del arrays[name]
            return
        case "swap":
            array = arrays[rng.choice(list(arrays))]
    arrays[name] = np.ascontiguousarray(array).reshape(array.shape)


@pytest.fixture
def folders(backprop, tmp_path):
    """Finished runs, and the meta and arrays of the last checkpoint of each; some are of format 1."""
    Path("x.csv").write_text("0.5,0.5\n")
    found = []
    for name, text in EXPERIMENTS.items():
        found.append(trained(backprop, tmp_path / name, text))
    for path in sorted(FOLDER.glob("*-4.npz")):
        meta, arrays = read(path)
        run = trained(backprop, tmp_path / path.stem, json.dumps(meta["experiment"]))[0]
        found.append((run, meta, arrays))
    return found


def trained(backprop, folder, text):
    folder.mkdir()
    folder.with_name("t.csv").write_text(TABLE)
    (folder / "some.yaml").write_text(text)
    done = backprop("train", folder / "some.yaml", "--runs-dir", folder, "--name", "run", "-q")
    assert done.code == 0, done.err
    return folder / "run", *read(folder / "run/checkpoints/last.npz")


def check_mutants(backprop, folders, count, seed, tmp_path, plot_every=1):
    """Give so many mutants to the commands, every few of them to `plot`; return what the limits say."""
    rng, limits = random.Random(seed), Limits()
    runs = tmp_path / "runs"
    runs.mkdir()
    for number in range(count):
        run, meta, arrays = folders[number % len(folders)]
        meta, arrays = copy.deepcopy(meta), dict(arrays)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            change = rng.choice((change_meta, change_arrays))
            change(meta, rng) if change is change_meta else change_arrays(arrays, rng)
            if not arrays:
                break
        problem = (meta, {n: (a.dtype, a.shape, a) for n, a in arrays.items()})
        for command in COMMANDS if number % plot_every == 0 else COMMANDS[:-1]:
            shutil.rmtree(runs / "run", ignore_errors=True)
            shutil.copytree(run, runs / "run")
            for which in ("last", "best"):
                write(runs / f"run/checkpoints/{which}.npz", meta, arrays)
            limits.run(backprop, *command, problem=problem)
    return limits


def test_a_changed_checkpoint_is_read_or_refused(backprop, folders, tmp_path, unrendered):
    codes = check_mutants(backprop, folders, 44, 1, tmp_path, plot_every=5).codes
    assert codes[0]
    assert codes[1]


@pytest.mark.parametrize("key", ["batch_size", "epochs", "seed", "layers", "train_size", "evaluate_every"])
def test_a_number_that_no_float_can_hold_is_refused(backprop, folders, key):
    run, meta, arrays = folders[1]
    value = 10**400
    meta["experiment"][key] = [2, value, 1] if key == "layers" else value
    write(run / "checkpoints/last.npz", meta, arrays)
    shutil.copy(run / "checkpoints/last.npz", run / "checkpoints/best.npz")
    for command in COMMANDS:
        Limits().run(backprop, command[0], run, *command[2:])


@pytest.mark.long
def test_thousands_of_changed_checkpoints_are_read_or_refused(backprop, folders, tmp_path, unrendered):
    print("5,000 checkpoints:", check_mutants(backprop, folders, 5000, 2, tmp_path))
