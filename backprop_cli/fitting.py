"""Train a network on arrays, in memory: with the registered activations, costs and layers, or with one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.examples import Form
from backprop_cli.data.tasks import Classification, Regression, Task
from backprop_cli.errors import UsageError
from backprop_cli.frozen import frozen
from backprop_cli.nn.activations import ACTIVATIONS, Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.initializers import INITIALIZERS, Initializer
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.network import Network
from backprop_cli.objectives.costs import COSTS, Cost
from backprop_cli.objectives.objective import Backpropagation, Objective
from backprop_cli.objectives.penalties import PENALTIES
from backprop_cli.optim.minimizers import MINIMIZERS, Minimizer
from backprop_cli.optim.optimizer import Optimizer
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.threads import choose_lanes, choose_threads, choose_workers, limit_threads
from backprop_cli.training.evaluation import Evaluator, outputs_of
from backprop_cli.training.loop import EpochResult, Event, train
from backprop_cli.training.plan import Plan
from backprop_cli.training.streams import stream


@frozen
class Fitted:
    """A trained network: its parameters theta (n,), and an EpochResult for every epoch.

    theta is that of the best epoch on the validation examples, or of the last epoch where there are none. `form` is
    what examples must be like; its `words` are the classes, if they are not numbers.
    """

    network: Network
    cost: Cost
    theta: Array
    task: Task
    history: tuple[EpochResult, ...]
    form: Form

    def outputs(self, x: npt.ArrayLike) -> Array:
        """Return the outputs (n, n_L) for inputs x (n, ...)."""
        inputs = self.form.inputs(x)
        return outputs_of(self.network, self.theta, inputs.astype(self.theta.dtype, copy=False))

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the predicted classes (n,), or values (n, k)."""
        return self.form.named(self.task.predict(self.outputs(x)))

    def evaluate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> dict[str, float]:
        """Return the cost and the other metrics on the examples x (n, ...), y (n,) or (n, k)."""
        split = self.form.examples(x, y)
        evaluator = Evaluator(Backpropagation(self.network, self.cost), self.theta, 1.0, self.task)
        return evaluator.score(split, self.task.further).metrics()


def fit(
    layers: Network | Sequence[int | Layer],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    activation: str | Activation = "relu",
    output: str | Activation | None = None,
    cost: str | Cost | None = None,
    optimizer: str | Optimizer | Minimizer = "adam",
    eta: float = 1e-3,
    batch_size: int = 32,
    epochs: int = 20,
    lmbda: float = 0.0,
    penalty: str = "l2",
    initializer: str | Initializer = "he",
    sample_weight: npt.ArrayLike | None = None,
    validation: float | tuple[npt.ArrayLike, ...] = 0.0,
    early_stopping: EarlyStopping | None = None,
    seed: int = 0,
    dtype: str = "float32",
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Fitted:
    """Train a network on the examples x (n, ...), y and return it.

    y are labels 0, 1, … or words (n,), or floating values (n,) or (n, k). x and y may be data frames, of pandas for
    example; predictions then find the columns of x by name. `layers` are the layers behind the input: the number of
    units of a dense layer, which is followed by `activation`, or Layer objects; the last one is the output layer, whose
    activation is `output` (softmax for classes, identity for values). It may also be a Network. `cost` is cross_entropy
    for classes and quadratic for values. Activations, costs, optimizers and initializers are names or
    objects.

    `sample_weight` (n,), not negative, multiplies the cost of each example. It is divided by its mean over the training
    examples, so that only its proportions matter.

    `validation` is the fraction of the examples, the last ones, that the best epoch is chosen by, or other examples
    (x, y) or (x, y, sample_weight). `lmbda` is divided by the number of training examples. `settings` are further
    fields of `backprop_cli.training.plan.Plan`. Raises UsageError for arguments that do not fit, or DivergedError.

    >>> import numpy as np
    >>> import backprop_cli
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (400, 2))
    >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
    >>> fitted = backprop_cli.fit([16, 2], x, y, eta=0.02, epochs=30)
    >>> fitted.evaluate(x, y)["accuracy"] > 0.95
    True
    """
    numbers = {"eta": eta, "batch_size": batch_size, "epochs": epochs, "lmbda": lmbda, "seed": seed, **settings}
    _check_numbers(numbers, dtype)
    form = Form.of(x, y, dtype)
    examples = form.examples(x, y, sample_weight)
    shape, targets = examples.inputs.shape[1:], examples.targets
    classes = int(targets.max()) + 1 if targets.ndim == 1 else 0
    n_outputs = classes or targets.shape[1]
    if not isinstance(layers, Network):
        f = _named(ACTIVATIONS, output or ("softmax" if classes else "identity"), "output")
        layers = Network(shape, tuple(_layers(layers, _named(ACTIVATIONS, activation, "activation"))), f)
    if layers.shapes[-1] != (n_outputs,):  # before the codes of the classes, which may be too many for the memory
        raise UsageError(f"the last layer has the shape {layers.shapes[-1]}, but y needs {n_outputs} outputs")
    task: Task = (
        Classification(classes, fractions=layers.output.squashes, sums_to_one=layers.output.sums_to_one)
        if classes
        else Regression(n_outputs)
    )
    if settings.get("monitor", "cost") not in (monitors := ("cost", *task.metric_names, *task.further)):
        raise UsageError(f"monitor must be one of {', '.join(monitors)}")
    form = form.with_task(shape, task)
    train_split, validation_split = _split(examples, validation, form)
    train_split, validation_split = (part.relative_to(train_split) for part in (train_split, validation_split))
    data = Dataset("arrays", task, 1.0, train_split, validation_split, validation_split)
    chosen = _named(COSTS, cost or ("cross_entropy" if task.classes else "quadratic"), "cost")
    rule = _named({**OPTIMIZERS, **MINIMIZERS}, optimizer, "optimizer")
    start = _named(INITIALIZERS, initializer, "initializer")
    rule, chosen, start = (found() if isinstance(found, type) else found for found in (rule, chosen, start))
    if classes:
        chosen = chosen.fitted_to(np.bincount(train_split.targets, minlength=classes).tolist())
    penalties = ((_named(PENALTIES, penalty, "penalty"), lmbda / len(train_split)),) if lmbda else ()
    m = len(train_split) if rule.full_batch else min(int(batch_size), len(train_split))
    threads = choose_threads("auto", m * layers.multiplications)
    plan = Plan(
        Objective(Backpropagation(layers, chosen), penalties),
        rule,
        data,
        eta,
        m,
        epochs,
        seed,
        dtype,
        early_stopping=early_stopping,
        count_mistakes=chosen.counts_mistakes,
        lanes=choose_lanes(threads, m * layers.multiplications),
        **{"monitor": task.monitor, "workers": choose_workers("auto"), **settings},
    )
    theta = layers.initialize(start, stream(seed, "initialization"), dtype)
    state, history, best = plan.initial_state(theta), [], theta
    with limit_threads(threads):
        for event in train(plan, state):
            if isinstance(event, EpochResult):
                history.append(event)
                best = state.evaluated_theta.copy() if event.is_best else best
            if on_event:
                on_event(event)
    return Fitted(layers, chosen, best, task, tuple(history), form)


LEAST: dict[str, float] = {"eta": 0.0, "lmbda": 0.0, "epochs": 1, "batch_size": 1, "seed": 0, "evaluate_every": 1}
"""The least value of each number that `fit` takes; where that is an integer, so must the number be."""


def _check_numbers(given: dict[str, Any], dtype: str) -> None:
    if dtype not in ("float32", "float64"):
        raise UsageError(f"dtype must be 'float32' or 'float64', not {dtype!r}")
    for name, least in LEAST.items():
        value, whole = given.get(name, least), isinstance(least, int)
        kind: Any = Integral if whole else Real
        if not isinstance(value, kind) or not least <= value <= (math.inf if whole else float(np.finfo(dtype).max)):
            raise UsageError(
                f"{name} must be {'an integer' if whole else 'a number'} of at least {least}, not {value!r}"
            )


def _split(examples: Split, validation: Any, form: Form) -> tuple[Split, Split]:
    if isinstance(validation, tuple):
        return examples, form.examples(*validation)
    fits = isinstance(validation, float | int | np.number) and 0 <= validation < 1
    rest = len(examples) - round(validation * len(examples)) if fits else 0
    if not rest:
        raise UsageError(f"validation={validation} leaves no examples to train on")
    return examples[:rest], examples[rest:]


def _layers(layers: Sequence[Any], activation: Activation) -> Iterator[Layer]:
    for number, layer in enumerate(layers, start=1):
        if hasattr(layer, "build"):
            yield layer
            continue
        if not isinstance(layer, Integral) or layer < 1:
            raise UsageError(f"layers: expected a number of units of at least 1, or a layer, not {layer!r}")
        yield Dense(int(layer))
        if number < len(layers):
            yield activation


def _named(registry: Any, given: Any, what: str) -> Any:
    """Return what a name stands for; an object is returned as it is."""
    if not isinstance(given, str):
        return given
    if given not in registry:
        raise UsageError(f"{what}: unknown name '{given}' (known: {', '.join(registry)})")
    return registry[given]
