"""`backprop trace`: one step of a small network with every number in sight."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options, data_options

if TYPE_CHECKING:
    from backprop_cli.cli.trace_story import Rule
    from backprop_cli.config.schema import Experiment
    from backprop_cli.data.cache import Cache
    from backprop_cli.nn.network import Network
    from backprop_cli.nn.trace import Move, Trace
    from backprop_cli.training.plan import Plan

MAX_PARAMETERS, MAX_EXAMPLES = 200, 8
"""What can still be taken in."""


@click.command("trace", cls=Command, short_help="Show every number of one step of training.")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--rows", metavar="ROWS", default="0", show_default=True, help="Training examples, from 0: 2 or 0,3 or 0-2."
)
@click.option(
    "--weight",
    metavar="NAME",
    help="Take the difference of this one, 'W1[0,1]' or 'b2[0]'.  [default: the one of W1 with the largest derivative]",
)
@click.option("--eps", type=click.FloatRange(1e-8, 0.1), help="The step of the difference.  [default: 0.0001]")
@click.option("--digits", type=click.IntRange(1, 15), default=5, show_default=True, help="Digits after the point.")
@click.option("--markdown", is_flag=True, help="Write Markdown with LaTeX, for a handout.")
@common_options
@data_options
def command(
    config: Path,
    overrides: tuple[str, ...],
    rows: str,
    weight: str | None,
    eps: float | None,
    digits: int,
    markdown: bool,
    console: Console,
    cache: Callable[[], Cache],
) -> None:
    """Take the first step of CONFIG on a few examples by hand: every number of it, each beside its formula.

    Forward z and a, the cost, backward delta by BP1 and BP2, the gradients by BP3 and BP4, the step of the optimizer,
    and the derivative of one weight beside a central difference. Computed in float64 by the functions that train, from
    the parameters that training starts from, and shown rounded.
    """
    import numpy as np

    from backprop_cli.cli.trace_markdown import as_markdown
    from backprop_cli.cli.trace_story import story_of
    from backprop_cli.cli.trace_text import as_text
    from backprop_cli.config.load import load_experiment
    from backprop_cli.errors import UsageError
    from backprop_cli.experiment import build_plan, initial_theta, load_data, n_train
    from backprop_cli.nn.trace import EPS, trace

    if markdown and console.json:
        raise UsageError("--markdown and --json are two ways to write the same trace; leave one of them out")
    experiment = load_experiment(config, overrides)
    _refuse_large(experiment)
    chosen = _rows(rows, n_train(experiment))
    plan = build_plan(experiment, data := load_data(experiment, cache()))
    objective = plan.objective
    index = None if weight is None else _index(weight, objective.network)

    x = data.train.inputs[chosen] * np.float64(data.scale)
    y = data.task.encode(data.train.targets[chosen], "float64")
    theta = initial_theta(experiment, objective.network, "float64")
    move, rule = _first_step(experiment, plan)
    with np.errstate(all="ignore"):  # as in training; a step that is too long shows as inf or nan
        found = trace(objective, theta, x, y, move, index, eps or EPS)

    title = f"{'-'.join(map(str, experiment.sizes))} on {experiment.dataset.name}, " + (
        f"training example {chosen[0]}" if len(chosen) == 1 else f"training examples {', '.join(map(str, chosen))}"
    )
    story = story_of(found, objective, rule)
    text = (as_markdown if markdown else as_text)(title, _remarks(experiment, len(chosen)), story, digits)
    console.result(text, {"experiment": experiment.to_dict(), "rows": chosen, **_plain(found)}, quiet=text)


def _refuse_large(e: Experiment) -> None:
    """Raise UsageError if there is too much to show, before any data is asked for."""
    from backprop_cli.errors import UsageError
    from backprop_cli.nn.activations import HIDDEN

    parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(e.sizes))
    if parameters > MAX_PARAMETERS:
        outputs = 1 if e.activations[-1] in HIDDEN else 2
        raise UsageError(
            f"layers: {'-'.join(map(str, e.sizes))} has {parameters:,} parameters; a trace shows at most "
            f"{MAX_PARAMETERS}, as with dataset=xor layers=2-2-{outputs} batch_size=full"
        )


def _rows(words: str, n: int) -> list[int]:
    """Return the numbers that --rows names. Raises UsageError if they are not among 0 … n - 1, or too many."""
    from backprop_cli.errors import UsageError

    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", words, re.ASCII):
        raise UsageError(f"--rows: '{words}' names no examples; write 0, or 0,3, or 0-2")
    found: list[int] = []
    for part in words.split(","):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers or numbers[-1] >= n:
            raise UsageError(f"--rows: there is no {part}; the training examples are 0 to {n - 1}")
        found += numbers[: MAX_EXAMPLES + 1]
    if len(found) > MAX_EXAMPLES:
        raise UsageError(f"--rows: a trace shows at most {MAX_EXAMPLES} examples; {words} are more, so write fewer")
    return found


def _index(weight: str, network: Network) -> int:
    """Return the place in theta of the parameter that --weight names. Raises UsageError if there is none."""
    from backprop_cli.errors import UsageError

    names = [network.name_of(index) for index in range(network.n_parameters)]
    if weight.replace(" ", "") not in names:
        there = ", ".join(f"{names[places[0]]} to {names[places[-1]]}" for _, places in network.arrays())
        raise UsageError(f"--weight: there is no {weight}; this network has {there}")
    return names.index(weight.replace(" ", ""))


def _first_step(e: Experiment, plan: Plan) -> tuple[Move, Rule]:
    """Return the first step of training, and what to say of it."""
    import numpy as np

    from backprop_cli.cli.trace_story import Rule
    from backprop_cli.experiment import batch_size, n_train
    from backprop_cli.optim.minimizers import MINIMIZERS
    from backprop_cli.optim.optimizers import SGD, Optimizer
    from backprop_cli.training.step import limit_norms

    rule = SGD() if e.optimizer.name in MINIMIZERS else cast(Optimizer, e.optimizer)
    steps = -(-n_train(e) // batch_size(e))
    eta = np.asarray(plan.etas(1, steps, 0)[0])

    def move(theta: Any, g: Any) -> None:
        rule.step(theta, g, rule.init(theta), eta)
        if e.max_norm:
            limit_norms(plan.objective.network.layers(theta)[:-1], e.max_norm)

    formula = (type(rule).__doc__ or "").partition("\n")[0].rstrip(".")
    options = "".join(f", {name} = {value}" for name, value in vars(rule).items())
    words = f"{rule.name}: {formula}; eta = {eta:g}{options}"
    if e.optimizer.name in MINIMIZERS:
        words = (
            f"{e.optimizer.name} searches along lines and has no single step; this is one down the gradient: {words}"
        )
    if e.max_norm:
        words += f"; then weight vectors of hidden units longer than {e.max_norm:g} are cut to that length"
    return move, Rule(words, rule.plain and not e.max_norm)


def _remarks(e: Experiment, m: int) -> list[str]:
    """Return what a reader should know before the numbers."""
    remarks = [f"m = {m}; parameters as seed {e.seed} starts them; computed in float64, shown rounded"]
    if any(e.dropouts):
        remarks.append("dropout is off: training would drop units at random")
    if e.augment:
        remarks.append("augment is off: training would move and bend the images")
    return remarks


def _plain(found: Trace) -> dict[str, Any]:
    """Return a trace as numbers, lists and words, under the names that its fields have."""
    data = {name: _listed(value) for name, value in vars(found).items() if name not in ("layers", "difference")}
    data["layers"] = [
        {name: _listed(value) for name, value in vars(layer).items()} | {"activation": layer.activation.name}
        for layer in found.layers
    ]
    d = found.difference
    data["difference"] = vars(d) | {"quotient": d.quotient, "error": d.error}
    return data


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
