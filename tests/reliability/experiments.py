"""Experiments whose runs are killed: each keeps something else from step to step."""

DIGITS = "dataset: digits\nlayers: 64-40-10\nepochs: 12\nbatch_size: 5\n"
XOR = "dataset: xor\nlayers: 2-4-1\nbatch_size: full\n"
SPIRALS = (
    "dataset: spirals\nlayers: 2-20-20-1\nactivation: tanh\noutput: sigmoid\ncost: cross_entropy\nbatch_size: full\n"
)

EXPERIMENTS = {
    "momentum": DIGITS + "eta: 0.5\noptimizer: momentum\n",
    "nesterov, step decay": DIGITS + "eta: 0.2\noptimizer: nesterov\nschedule: {name: step, every: 3, gamma: 0.5}\n",
    "class weights, smoothing": DIGITS
    + "eta: 0.1\noutput: softmax\ncost: {name: cross_entropy, smoothing: 0.1, "
    + "class_weights: [1, 2, 1, 0.5, 1, 1, 3, 1, 1, 1]}\n",
    "xor, full batch": XOR + "eta: 2.0\nepochs: 400\n",
    "spirals, lbfgs": SPIRALS + "optimizer: {name: lbfgs, history: 7}\nepochs: 60\n",
}
