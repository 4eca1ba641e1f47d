"""The Python API of `trace`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backprop_cli.api import RunLike, cache_in
from backprop_cli.config.arguments import experiment_from, words_of
from backprop_cli.experiment.schema import Experiment
from backprop_cli.explain.start import Start, Words, names_run
from backprop_cli.explain.step import Explanation, explain
from backprop_cli.results.run import Run
from backprop_cli.runs.build import load_data


def trace(
    what: RunLike | Mapping[str, Any] | Experiment,
    *,
    steps: int = 1,
    rows: Sequence[int] | None = None,
    weight: str | None = None,
    checkpoint: str = "best",
    runs_dir: Path | str = "runs",
    data_dir: Path | str | None = None,
    offline: bool = False,
    **overrides: Any,
) -> Explanation:
    """Return every number of the next training steps of a config, a run or a checkpoint file.

    `rows` are the training examples of each step, by default the batches of training; `x` and `y` are other examples,
    `W1`, `b1`, … other initial parameters, and the other keywords are keys of the config. `weight` names the parameter
    of the central difference. Computed in float64. A notebook shows the result; see also `Explanation.to_text`.

    >>> import backprop_cli
    >>> neuron = {"dataset": "xor", "layers": [2, 1], "eta": 0.15}
    >>> step = backprop_cli.trace(neuron, x=[1, 0], y=[0], W1=[2, 0], b1=[2]).steps[0].trace
    >>> step.layers[0].z, round(step.cost, 5)
    (array([[4.]]), 0.48218)
    """
    words = Words.parse(words_of(overrides), "keyword argument")
    text = str(what.path if isinstance(what, Run) else what)
    if isinstance(what, Run) or (isinstance(what, Path | str) and names_run(text, Path(runs_dir))):
        start = Start.of_run(text, words.overrides, Path(runs_dir), checkpoint)
    else:
        start = Start.of_config(experiment_from(what, words.overrides))
    start.check_size()
    data = load_data(start.experiment, cache_in(data_dir, offline))
    return explain(start, data, rows if words.examples is None else words.examples, steps, weight)
