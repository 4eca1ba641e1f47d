"""What to tell a user after training: the result, what to try next, and what the layers or the data show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backprop_cli.errors import DivergedError
from backprop_cli.nn.initializers import Normal
from backprop_cli.text import above_floor, duration, further_metrics, metric

if TYPE_CHECKING:
    from backprop_cli.experiment.schema import Experiment
    from backprop_cli.training.diagnostics import LayerState
    from backprop_cli.training.plan import Plan
    from backprop_cli.training.state import TrainingState

COMPLETE = ("finished", "stopped_early")
"""The statuses of runs whose training is complete."""

HIDDEN_LAYER = "layers={} activation=sigmoid cost=cross_entropy optimizer=lbfgs batch_size=full initializer=scaled"
"""Overrides that learn small problems which no perceptron can learn, in at most 100 epochs."""

MAX_HIDDEN = 100

GOOD = 0.9
"""The accuracy or r2 on the training split above which a network has learned well."""


def outcome(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the folder of a run, its status, metrics and experiment."""
    keys = ("status", "epochs", "seconds", "parameters", "best", "final", "test", "diverged", "reason", "warnings")
    return {"run": str(path), **{key: record.get(key) for key in (*keys, "experiment")}}


def outcome_text(path: Path, record: Mapping[str, Any]) -> str:
    """Return the best epoch, the reason for stopping early, the folder, and the commands for the next steps."""
    status, epochs, best = record.get("status"), record.get("epochs") or 0, record.get("best")
    lines, eval_option = [], ""
    if best:
        metrics = "the last one, as there is no validation split"
        known = {name: value for name, value in best.items() if name.startswith("val_") and value is not None}
        validation = {name.removeprefix("val_"): value for name, value in known.items()}
        test = record.get("test") or {}
        eval_option = "" if test else f" --split {'val' if validation else 'train'}"
        if "cost" in validation:
            monitored = further_metrics(validation)
            metrics = f"validation {_main_metric(validation)}{f', {monitored}' if monitored else ''}"
        if test:
            metrics += f", test {_main_metric(test)}"
        lines.append(f"best epoch  {best.get('epoch', '?')} of {epochs}: {metrics}")
        if more := further_metrics(test):
            lines.append(f"test        {more}")
        if floor := test.get("floor"):
            lines.append(f"test        cost {test['cost']:.4g}{above_floor(test['cost'], floor)}")
    if status == "stopped_early":
        lines.append(f"stopped     after epoch {epochs}: {record.get('reason')}")
    lines += [f"warning     {text.partition('. ')[0]}" for text in record.get("warnings") or ()]
    if phase := record.get("phase"):
        lines.append(f"phase       {phase}, of pre-training")
    lines.append(f"run         {path}  ({status}, {duration(record.get('seconds') or 0)})")
    if status in COMPLETE:
        lines.append(f"next        backprop eval {path}{eval_option}")
        if status == "finished":
            after = (record.get("experiment") or {}).get("epochs") or epochs  # without those of pre-training
            lines.append(f"            backprop resume {path} --epochs {2 * after}")
    return "\n".join(lines)


def _main_metric(metrics: Mapping[str, Any]) -> str:
    values = {name: metrics.get(name) for name in ("accuracy", "rmse", "r2", "squared_error", "pseudo_likelihood")}
    known = [f"{name.replace('_', ' ')} {metric(name, value)}" for name, value in values.items() if value is not None]
    return ", ".join(known) or "unknown"


def advice(
    e: Experiment, plan: Plan, state: TrainingState, layers: Sequence[LayerState], final: Mapping[str, Any]
) -> Iterator[str]:
    """Yield lines of advice after a finished session: layers that do not learn, limits of a perceptron.

    `layers` are the diagnostics, and `final` are the metrics, of the last epoch.
    """
    from backprop_cli.advice.layers import advice_on_layers  # not needed to print a result
    from backprop_cli.advice.separability import separable

    if layers:
        learns_well = (final.get("train_accuracy") or final.get("train_r2") or 0) > GOOD
        yield from advice_on_layers(layers, e.activations, e.optimizer.name, learns_well)
    if not e.cost.counts_mistakes or e.task.outputs != e.outputs or state.status.stopped:
        return
    data = plan.data
    answer = separable(data.train.inputs * data.scale, data.task.encode(data.train.targets, "float64"))
    if answer:
        yield "the examples are linearly separable, so the perceptron will learn them with more epochs"
    elif answer is False:
        n_in, n_out = e.inputs, e.outputs
        words = HIDDEN_LAYER.format(f"{n_in}-{min(4 * n_in, MAX_HIDDEN)}-{n_out}")
        yield (
            "no perceptron can learn this: the examples are not linearly separable (shown by linear programming). "
            f"A hidden layer can: {words}"
        )


def divergence_advice(error: DivergedError, e: Experiment, eta: float | None, best: Path | None) -> str:
    """Return the message for training that diverged: where, what to try, and which checkpoint is left.

    `eta` is a learning rate that was found to work, if there is one.
    """
    remedies = [] if e.optimizer.line_search else [f"eta={e.eta / 10 if eta is None else min(eta, e.eta / 3):.1g}"]
    remedies += ["initializer=scaled"] * (e.initializer == Normal()) + ["a smaller lambda"] * bool(e.strengths)
    remedy = f": try {', or '.join(remedies)}" if remedies else ""
    kept = f"The best checkpoint so far is {best}." if best else "No epoch was completed."
    return f"{error}\nThe steps are too large for this network{remedy}.\n{kept}"
