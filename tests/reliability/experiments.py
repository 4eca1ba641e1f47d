"""Experiments whose runs are killed: each keeps something else from step to step."""

import numpy as np

DIGITS = "dataset: digits\nlayers: 64-40-10\nepochs: 12\nbatch_size: 5\n"
XOR = "dataset: xor\nlayers: 2-4-1\nbatch_size: full\n"
SPIRALS = (
    "dataset: spirals\nlayers: 2-20-20-1\nactivation: tanh\noutput: sigmoid\ncost: cross_entropy\nbatch_size: full\n"
)

TABLE = (
    "dataset: {name: table, file: t.csv, target: y, group: patient}\nlayers: [auto, 16, auto]\noutput: softmax\n"
    "cost: {name: cross_entropy, class_weights: [1, 3]}\neta: 0.05\nepochs: 12\nbatch_size: 5\noptimizer: momentum\n"
)
ARRAY = (
    "dataset: {name: arrays, x: x.npy, y: y.npy}\nlayers: [auto, 8, auto]\noutput: softmax\ncost: cross_entropy\n"
    "initializer: scaled\neta: 0.1\nepochs: 6\nbatch_size: 250\n"
)


def write_table(folder):
    """Rows of numbers, words and missing cells, several of each patient."""
    rng = np.random.default_rng(0)
    rows = ["x,colour,patient,y"]
    for k in range(1500):
        x, colour = rng.normal(), rng.choice(["red", "green", ""])
        rows.append(f"{x:.3f},{colour},p{k // 5},{'yes' if x + (colour == 'red') > 1 else 'no'}")
    (folder / "t.csv").write_text("\n".join(rows) + "\n")


def write_array(folder):
    """Inputs that are large enough to stay on disk."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 90_000)
    np.save(folder / "x.npy", rng.integers(0, 256, (10, 784), np.uint8)[y])
    np.save(folder / "y.npy", y)


FILES = {"t.csv": write_table, "x.npy": write_array}

EXPERIMENTS = {
    "momentum": DIGITS + "eta: 0.5\noptimizer: momentum\n",
    "nesterov, step decay": DIGITS + "eta: 0.2\noptimizer: nesterov\nschedule: {name: step, every: 3, gamma: 0.5}\n",
    "class weights, smoothing": DIGITS
    + "eta: 0.1\noutput: softmax\ncost: {name: cross_entropy, smoothing: 0.1, "
    + "class_weights: [1, 2, 1, 0.5, 1, 1, 3, 1, 1, 1]}\n",
    "table, groups, class weights": TABLE,
    "array on disk": ARRAY,
    "xor, full batch": XOR + "eta: 2.0\nepochs: 400\n",
    "spirals, lbfgs": SPIRALS + "optimizer: {name: lbfgs, history: 7}\nepochs: 60\n",
}
