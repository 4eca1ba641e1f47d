"""The columns and the rows of metrics.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from backprop_cli.config.phases import Phase, phases_of
from backprop_cli.experiment.schema import Experiment
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.runs import metrics
from backprop_cli.training.diagnostics import diagnostics_of
from backprop_cli.training.loop import EpochResult


def columns_of(e: Experiment, phases: Sequence[Phase] | None = None) -> tuple[str, ...]:
    """Return the columns of metrics.csv, for a run with these phases of pre-training, by default its own."""
    phases = phases_of(e) if phases is None else phases
    of_phases = [name for phase in phases for name in _metrics(phase.experiment)]
    return (
        "epoch",
        *((metrics.PHASE,) if phases else ()),
        *dict.fromkeys((*_metrics(e), *of_phases)),
        "eta",
        "seconds",
        *(("mistakes",) if e.cost.counts_mistakes else ()),
        *(
            f"{name}_{number}"
            for number, activation in enumerate(e.activations, start=1)
            for name in (diagnostics_of(ACTIVATIONS[activation]) if e.diagnostics else ())
        ),
    )


def _metrics(e: Experiment) -> Iterator[str]:
    """Yield the columns of cost and metrics."""
    yield from (f"{split}_{name}" for split in ("train", "val") for name in ("cost", *e.task.metric_names))
    if e.cost.unsupervised:
        yield "val_free_energy_gap"
    if e.monitor in e.task.further:
        yield f"val_{e.monitor}"


def row_of(event: EpochResult, columns: Sequence[str]) -> metrics.Row:
    """Return the row of metrics.csv for an epoch."""
    scores = {"train": event.train, "val": event.validation}
    values: metrics.Row = {
        "epoch": event.epoch,
        metrics.PHASE: event.phase,
        **{f"{name}_{key}": value for name, score in scores.items() if score for key, value in score.metrics().items()},
        "eta": event.eta,
        "seconds": event.seconds,
        "mistakes": event.mistakes,
        **{f"{name}_{l}": value for l, layer in enumerate(event.layers, 1) for name, value in asdict(layer).items()},
    }
    return {column: values.get(column) for column in columns}
