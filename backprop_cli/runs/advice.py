"""What a training session shows about the network, and what to change: the advice printed after training."""

from __future__ import annotations

from collections.abc import Iterator

from backprop_cli.errors import DivergedError
from backprop_cli.runs.session import Session
from backprop_cli.training.diagnostics import advice as advice_on_layers
from backprop_cli.training.separability import separable

HIDDEN_LAYER = "layers={} activation=sigmoid cost=cross_entropy optimizer=lbfgs batch_size=full initializer=scaled"
"""Overrides that learn small problems which no perceptron can learn, in at most 100 epochs."""

MAX_HIDDEN = 100


def advice(session: Session) -> Iterator[str]:
    """Yield lines of advice after a finished session: layers that do not learn, limits of a perceptron."""
    e, data = session.experiment, session.plan.data
    if session.layers:
        yield from advice_on_layers(session.layers, e.activations, e.optimizer.name)
    if not e.cost.counts_mistakes or e.task.outputs != e.sizes[-1] or session.state.status.stopped:
        return
    answer = separable(data.train.inputs * data.scale, data.task.encode(data.train.targets, "float64"))
    if answer:
        yield "the examples are linearly separable, so the perceptron will learn them with more epochs"
    elif answer is False:
        n_in, n_out = e.sizes
        words = HIDDEN_LAYER.format(f"{n_in}-{min(4 * n_in, MAX_HIDDEN)}-{n_out}")
        yield (
            "no perceptron can learn this: the examples are not linearly separable (shown by linear programming). "
            f"A hidden layer can: {words}"
        )


def divergence_advice(error: DivergedError, session: Session) -> str:
    """Return the message for training that diverged: where, what to try, and which checkpoint is left."""
    e = session.experiment
    remedies = [] if e.optimizer.line_search else [f"eta={e.eta / 10:g}"]
    remedies += ["initializer=scaled"] * (e.initializer == "normal") + ["a smaller lambda"] * bool(e.strengths)
    remedy = f": try {', or '.join(remedies)}" if remedies else ""
    best = session.folder.checkpoint("best")
    kept = f"The best checkpoint so far is {best}." if session.best else "No epoch was completed."
    return f"{error}\nThe steps are too large for this network{remedy}.\n{kept}"
