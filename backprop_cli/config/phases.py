"""Pre-training layer by layer: each hidden layer is trained by an experiment of its own, derived from the config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pydantic import ValidationError

from backprop_cli.boltzmann.costs import CD
from backprop_cli.config.checks import problems_of
from backprop_cli.config.defaults import with_defaults
from backprop_cli.config.messages import message
from backprop_cli.config.reader import Problem
from backprop_cli.data.dataset import DataSpec
from backprop_cli.experiment.keys import KEYS
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS

EPOCHS = 10
"""The default number of epochs of a phase."""

OF_PHASES = (
    *("epochs", "eta", "schedule", "warmup", "batch_size", "optimizer", "lambda", "penalty", "initializer"),
    *("output", "cost", "corrupt", "tied", "sparsity"),
)
"""Keys of a config that can be set for the phases."""

INHERITED = ("dataset", "validation", "train_size", "fold", "dtype", "seed", "threads", "evaluate_every", "batch_size")
"""Keys of a phase that are those of the config, unless they are set for the phases."""

Values = Mapping[str, Any]


@frozen
class Phase:
    """Training of hidden layer `number` of `count` by an experiment; `offset` epochs of the run come before."""

    method: str
    number: int
    count: int
    experiment: Experiment
    offset: int = 0

    @property
    def name(self) -> str:
        """The phase in metrics.csv: `rbm 1/3`."""
        return f"{self.method} {self.number}/{self.count}"

    @property
    def last(self) -> int:
        """The last epoch of the phase, counted through the run."""
        return self.offset + self.experiment.epochs


@frozen
class Codes(DataSpec):
    """What is known about the codes of a layer, which are the inputs of the next one; `bounded` if they are in 0…1."""

    bounded: bool = False

    def reconstructing(self) -> DataSpec:
        """Return what is known where the codes are the targets."""
        return replace(super().reconstructing(), fractions=self.bounded)


def _autoencoder(e: Experiment, k: int, options: Values) -> dict[str, Any]:
    """Layer k and one that leads back: n_{k-1}-n_k-n_{k-1}, with the cross-entropy where inputs are from 0 to 1."""
    sizes, below = e.sizes, ACTIVATIONS[e.activations[k - 2]]
    hidden = {"units": sizes[k], "activation": e.activations[k - 1]}
    fractions = e.data.reconstructing().fractions if k == 1 else e.activations[k - 2] == "sigmoid"
    output = e.activations[k - 2] if k > 1 and below.squashes else "sigmoid" if fractions else "identity"
    usual = {"output": output, "cost": "cross_entropy" if fractions else "quadratic"}
    return {"layers": [sizes[k - 1], hidden, sizes[k - 1]], "targets": "inputs", **usual, **options}


def _rbm(e: Experiment, k: int, options: Values) -> dict[str, Any]:
    """A Boltzmann machine n_{k-1}-n_k, trained by contrastive divergence, whose options can be given directly."""
    of_cost = {field.name for field in fields(CD)}
    cost = {"name": "cd", **{name: value for name, value in options.items() if name in of_cost}}
    others = {name: value for name, value in options.items() if name not in of_cost}
    return {"layers": [e.sizes[k - 1], e.sizes[k]], "output": e.activations[k - 1], "cost": cost, **others}


METHODS: dict[str, tuple[Callable[[Experiment, int, Values], dict[str, Any]], Sequence[str]]] = {
    "autoencoder": (_autoencoder, OF_PHASES),
    "rbm": (_rbm, (*OF_PHASES, *(field.name for field in fields(CD)))),
}
"""What makes the values of a phase, and the options it has, by the name of the method."""


def phases_of(e: Experiment) -> list[Phase]:
    """Return the phases of an experiment without problems, which have an epoch at least; none without `pretrain`."""
    found: list[Phase] = []
    if e.pretrain is None:
        return found
    for k, values in enumerate(_values(e), start=1):
        if values["epochs"]:
            offset = found[-1].last if found else 0
            experiment = with_defaults(_experiment(e, k, values))
            found.append(Phase(e.pretrain["name"], k, _count(e), experiment, offset))
    return found


def total_epochs(e: Experiment) -> int:
    """Return the epochs of a run, those of its phases included."""
    return e.epochs + sum(phase.experiment.epochs for phase in phases_of(e))


def problems_of_phases(e: Experiment) -> Iterator[Problem]:
    """Yield why an experiment that has no other problems cannot be pre-trained."""
    if e.pretrain is None:
        return
    if problems := [*_unsuitable(e), *_wrong_options(e)]:
        yield from problems
        return
    for k, values in enumerate(_values(e), start=1):
        try:
            phase = _experiment(e, k, values)
        except ValidationError as error:
            for finding in error.errors(include_url=False):
                path = ("pretrain", *finding["loc"])
                yield path[:2], message(path, finding, KEYS if len(path) == 2 else ())
            return
        for path, problem in problems_of(phase):
            place = ("pretrain", *path) if path[0] in e.pretrain else ("pretrain",)
            yield place, f"pretrain, layer {k}: {problem}"
            return


def _unsuitable(e: Experiment) -> Iterator[Problem]:
    """Yield why the network is not one that can be pre-trained."""
    hidden = e.layers[1:-1]
    if e.cost.unsupervised:
        yield ("pretrain",), f"pretrain: cost {e.cost.name} trains a single layer; remove this key"
    elif not hidden:
        yield ("pretrain",), "pretrain: there are no hidden layers to train; remove this key"
    elif other := next((layer for layer in hidden if not layer.units), None):
        yield ("pretrain",), f"pretrain: only dense layers can be pre-trained, not {other.word}; remove this key"
    elif e.reconstructs and e.sizes != e.sizes[::-1] or e.reconstructs and len(hidden) % 2 == 0:
        mirrored = "-".join(map(str, [*e.sizes[: len(e.sizes) // 2 + 1], *e.sizes[: len(e.sizes) // 2][::-1]]))
        yield ("pretrain",), f"pretrain: with 'targets: inputs' the layers must mirror, such as {mirrored}"
    if e.start:
        yield ("pretrain",), "pretrain: cannot be combined with 'start', whose layers are trained already"


def _wrong_options(e: Experiment) -> Iterator[Problem]:
    """Yield what is wrong in the options themselves."""
    options = dict(e.pretrain or {})
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in METHODS:
        finding = {"type": "unknown_name" if name else "missing", "input": name, "ctx": {"known": list(METHODS)}}
        yield ("pretrain", "name"), message(("pretrain", "name"), finding, KEYS)
        return
    known, count = METHODS[name][1], _count(e)
    for k in range(1, count + 1) if name == "rbm" else ():
        if e.activations[k - 1] not in CD.outputs or (k > 1 and e.activations[k - 2] != "sigmoid"):
            wrong = e.activations[k - 1] if e.activations[k - 1] not in CD.outputs else e.activations[k - 2]
            use = "use sigmoid, and identity in the last hidden layer only"
            yield ("pretrain", "name"), f"pretrain: layers of Boltzmann machines cannot have {wrong} units; {use}"
            break
    for key, value in options.items():
        if key not in known:
            path = ("pretrain", key)
            yield path, message(path, {"type": "extra_forbidden", "input": value}, known)
        elif isinstance(value, list) and len(value) != count:
            yield ("pretrain", key), f"pretrain.{key}: {len(value)} values for {count} layers; write one for each"
        elif key == "epochs" and not all(
            type(n) is int and n >= 0 for n in (value if type(value) is list else [value])
        ):
            yield (
                ("pretrain", key),
                "pretrain.epochs: must be an integer of at least 0, or a list of one for each layer",
            )


def _count(e: Experiment) -> int:
    """Return how many layers are pre-trained: the hidden ones, or those up to the code."""
    return (len(e.layers) - 1) // 2 if e.reconstructs else len(e.layers) - 2


def _values(e: Experiment) -> Iterator[dict[str, Any]]:
    """Yield the values of the experiment of each layer; of a list, each layer has its own."""
    options = {"epochs": EPOCHS, **(e.pretrain or {})}
    values_of, _ = METHODS[options.pop("name")]
    given = e.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(INHERITED))
    for k in range(1, _count(e) + 1):
        own = {key: value[k - 1] if isinstance(value, list) else value for key, value in options.items()}
        yield {**given, **values_of(e, k, own)}


def _experiment(e: Experiment, k: int, values: Values) -> Experiment:
    """Return the experiment of layer k, before its defaults. Raises ValidationError."""
    known = e.data
    if k > 1:
        codes = vars(known) | {"inputs": e.sizes[k - 1], "scale": 1.0, "image": None, "preprocessing": None}
        known = Codes(**codes | {"mapped": False, "bounded": e.activations[k - 2] == "sigmoid"})
    return Experiment.model_validate({**values, "epochs": max(1, values["epochs"])}).knowing(known)
