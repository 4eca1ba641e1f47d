"""Where a trace begins: at the initial parameters of a config, or at a checkpoint."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic_core import PydanticCustomError

from backprop_cli.config.data_files import dataset_of
from backprop_cli.config.load import override_experiment
from backprop_cli.config.reader import read_text
from backprop_cli.config.shipped import find_config
from backprop_cli.errors import CheckpointError, ConfigError, UsageError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.explain.steps import Examples
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.arrays import Array
from backprop_cli.runs.build import build_network, initial_theta, theta_of
from backprop_cli.runs.checkpoint import Checkpoint, read_checkpoint
from backprop_cli.runs.folder import RunFolder
from backprop_cli.runs.model import experiment_of, load_model
from backprop_cli.sources.given import read_numbers
from backprop_cli.training.consistency import check_state
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState

MAX_PARAMETERS = 200
"""The largest network that is shown."""

_GIVEN = re.compile(r"(x|y|[Wb][1-9][0-9]*) *=(.*)", re.DOTALL)


@frozen
class Words:
    """Words of the command line: overrides of a config, and the examples `x=1,0 y=1`, if they are given."""

    overrides: tuple[str, ...]
    examples: Examples | None = None

    @classmethod
    def parse(cls, words: Sequence[str], source: str = "command line") -> Words:
        """Return words from a source, such as `eta=1`, `x=1,0`, or `W1=[[1,2],[3,4]]`, short for `initial.W1=…`.

        Raises ConfigError for what is not a list of numbers, UsageError if only one of x and y is given.
        """
        overrides: list[str] = []
        examples: dict[str, Array] = {}
        for word in words:
            match = _GIVEN.fullmatch(word)
            if match and match[1] in ("x", "y"):
                examples[match[1]] = _table(match[2], f"{source}: {word}")
            else:
                overrides.append(f"initial.{word}" if match else word)
        if examples and (len(examples) < 2 or len(examples["x"]) != len(examples["y"])):
            raise UsageError(
                "x and y belong together, with a row for each example: x=1,0 y=1, or x=[[0,1],[1,0]] y=[[1],[1]]"
            )
        return cls(tuple(overrides), Examples(examples["x"], examples["y"]) if examples else None)


def _table(text: str, place: str) -> Array:
    document = read_text(text if text.startswith("[") else f"[{text}]", place, place)
    if document.problems:
        raise ConfigError(document.problems)
    try:
        table = np.atleast_2d(read_numbers(document.values))
    except PydanticCustomError as error:
        raise ConfigError([f"{place}: {error}"]) from None
    if table.ndim > 2:
        raise ConfigError([f"{place}: write one list for each example"])
    return table


@frozen
class Start:
    """An experiment, and the checkpoint at `origin`, or None for its initial parameters.

    The experiment is in float64, whatever its dtype is in training.
    """

    experiment: Experiment
    checkpoint: Checkpoint | None = None
    origin: str = ""

    @classmethod
    def of_config(cls, e: Experiment) -> Start:
        """Return the start of training."""
        return cls(e.model_copy(update={"dtype": "float64"}))

    @classmethod
    def of_run(cls, text: str, overrides: Sequence[str], runs: Path, which: str) -> Start:
        """Return the `best` or `last` checkpoint of a run, or a checkpoint file.

        Raises UsageError, RunError or CheckpointError as `load_model`, and ConfigError for invalid overrides.
        """
        if any(word.startswith("initial") for word in overrides):
            raise UsageError("the parameters come from the checkpoint, so no others can be given")
        path = load_model(text, runs, which).path
        checkpoint = read_checkpoint(path)
        e = override_experiment(experiment_of(checkpoint, str(path)).to_dict(), overrides, str(path))
        return cls(e.model_copy(update={"dtype": "float64"}), checkpoint, str(path))

    def state(self, plan: Plan) -> TrainingState:
        """Return the state of training, for a plan of the experiment.

        Raises CheckpointError if the checkpoint is not a state of the experiment.
        """
        e = self.experiment
        if self.checkpoint is None:
            return plan.initial_state(initial_theta(e, data=plan.data))
        try:
            state = plan.initial_state(theta_of(e, plan.objective.layout, self.checkpoint.parameters))
            state.status = replace(self.checkpoint.meta.status)
            kept = self.checkpoint.arrays
            if {name: a.shape for name, a in kept.items()} != {name: a.shape for name, a in state.arrays.items()}:
                raise CheckpointError(f"its arrays are not those of {e.optimizer.name} in this experiment")
            for name, array in state.arrays.items():
                array[...] = kept[name]
            check_state(plan, state, best=self.checkpoint.meta.best, last=self.checkpoint.meta.last)
        except CheckpointError as error:
            raise CheckpointError(f"{self.origin}: {error}") from error
        return state

    def check_size(self) -> None:
        """Raise UsageError if the network is too large to be shown, or no network; loads no data."""
        e = self.experiment
        if e.cost.unsupervised:
            raise UsageError(f"cost: {e.cost.name} has no deltas to trace; check its gradient with backprop gradcheck")
        parameters = build_network(e).layout.size
        if parameters > MAX_PARAMETERS:
            outputs = 1 if e.activations[-1] in HIDDEN else 2
            remedy = f", as with dataset=xor layers=2-2-{outputs} batch_size=full" if self.checkpoint is None else ""
            size = f"{e.architecture} has {parameters:,} parameters"
            raise UsageError(f"layers: {size}; a trace shows at most {MAX_PARAMETERS}{remedy}")

    def __str__(self) -> str:
        if self.checkpoint:
            status = self.checkpoint.meta.status
            place = f"epoch {status.epoch}" + (f", step {status.step}" if status.step else "")
            return f"parameters of {self.origin}, after {place}"
        given, drawn = self.experiment.initial or {}, f"initial parameters of seed {self.experiment.seed}"
        if not given:
            return drawn
        everything = len(given) == len(build_network(self.experiment).layout.entries)
        return "given parameters" if everything else f"{', '.join(given)} as given, other {drawn}"


def names_run(text: str, runs: Path) -> bool:
    """Whether text names a run or a checkpoint, and not a config."""
    path = Path(text)
    if path.is_file():
        return path.suffix == ".npz" and not _holds_examples(path)
    is_run = any(RunFolder(folder).is_run() for folder in (path, runs / text))
    is_config = path.suffix in (".yaml", ".yml") or find_config(path).is_file() or dataset_of(path)
    return is_run or not is_config  # the rest is the beginning of a name, @last, or an error


def _holds_examples(path: Path) -> bool:
    """Whether an archive has the arrays x and y of a data set, which a checkpoint has not."""
    try:
        with zipfile.ZipFile(path) as file:
            return {"x.npy", "y.npy"} <= set(file.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
