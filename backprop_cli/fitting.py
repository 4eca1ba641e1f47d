"""Train a network on arrays, in memory: with the registered activations, costs and layers, or with one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop_cli.data.dataset import Dataset, Split
from backprop_cli.data.tasks import Classification, Regression, Task
from backprop_cli.engine.threads import choose_threads, choose_workers, limit_threads
from backprop_cli.errors import UsageError
from backprop_cli.nn.activations import ACTIVATIONS, Activation
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.costs import COSTS, Cost
from backprop_cli.nn.initializers import INITIALIZERS
from backprop_cli.nn.layers.dense import Dense
from backprop_cli.nn.layers.layer import Layer
from backprop_cli.nn.network import Network
from backprop_cli.nn.objective import Backpropagation, Objective
from backprop_cli.nn.penalties import PENALTIES
from backprop_cli.optim.minimizers import MINIMIZERS, Minimizer
from backprop_cli.optim.optimizers import OPTIMIZERS, Optimizer
from backprop_cli.optim.stopping import EarlyStopping
from backprop_cli.training.evaluation import Evaluator, outputs_of
from backprop_cli.training.loop import EpochResult, Event, train
from backprop_cli.training.plan import Plan
from backprop_cli.training.streams import stream


@dataclass(frozen=True)
class Fitted:
    """A trained network: its parameters theta (n,), and an EpochResult for every epoch.

    theta is that of the best epoch on the validation examples, or of the last epoch where there are none.
    """

    network: Network
    cost: Cost
    theta: Array
    task: Task
    history: tuple[EpochResult, ...]

    def outputs(self, x: npt.ArrayLike) -> Array:
        """Return the outputs (n, n_L) for inputs x (n, ...)."""
        return outputs_of(self.network, self.theta, _inputs(x, self.theta.dtype).astype(self.theta.dtype, copy=False))

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the predicted classes (n,), or values (n, k)."""
        return self.task.predict(self.outputs(x))

    def evaluate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> dict[str, float]:
        """Return the cost and the other metrics on the examples x (n, ...), y (n,) or (n, k)."""
        split = Split(_inputs(x, self.theta.dtype), _targets(y))
        return Evaluator(Backpropagation(self.network, self.cost), self.theta, 1.0, self.task).score(split).metrics()


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
    initializer: str = "he",
    validation: float | tuple[npt.ArrayLike, npt.ArrayLike] = 0.0,
    early_stopping: EarlyStopping | None = None,
    seed: int = 0,
    dtype: str = "float32",
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Fitted:
    """Train a network on the examples x (n, ...), y and return it.

    y are labels 0, 1, … (n,), or floating values (n,) or (n, k). `layers` are the layers behind the input: the number
    of units of a dense layer, which is followed by `activation`, or Layer objects; the last one is the output layer,
    whose activation is `output` (softmax for classes, identity for values). It may also be a Network. `cost` is
    cross_entropy for classes and quadratic for values. Activations, costs and optimizers are names or objects.

    `validation` is the fraction of the examples, the last ones, that the best epoch is chosen by, or other examples
    (x, y). `lmbda` is divided by the number of training examples. `settings` are further fields of
    `backprop_cli.training.plan.Plan`. Raises UsageError for arguments that do not fit, or DivergedError.

    >>> import numpy as np
    >>> import backprop_cli
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (400, 2))
    >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
    >>> fitted = backprop_cli.fit([16, 2], x, y, eta=0.02, epochs=30)
    >>> fitted.evaluate(x, y)["accuracy"] > 0.95
    True
    """
    inputs, targets = _inputs(x, np.dtype(dtype)), _targets(y)
    if len(inputs) != len(targets) or not len(inputs):
        raise UsageError(
            f"x has {len(inputs)} examples and y has {len(targets)}; there must be as many, and at least one"
        )
    task: Task = Regression(targets.shape[1]) if targets.ndim == 2 else Classification(int(targets.max()) + 1)
    train_split, validation_split = _split(Split(inputs, targets), validation, np.dtype(dtype))
    data = Dataset("arrays", task, 1.0, train_split, validation_split, validation_split)
    if not isinstance(layers, Network):
        f = _named(ACTIVATIONS, output or ("softmax" if task.classes else "identity"), "output")
        layers = Network(inputs.shape[1:], tuple(_layers(layers, _named(ACTIVATIONS, activation, "activation"))), f)
    if layers.shapes[-1] != (task.outputs,):
        raise UsageError(f"the last layer has the shape {layers.shapes[-1]}, but y needs {task.outputs} outputs")
    chosen = _named(COSTS, cost or ("cross_entropy" if task.classes else "quadratic"), "cost")
    rule = _named({**OPTIMIZERS, **MINIMIZERS}, optimizer, "optimizer")
    rule, chosen = (found() if isinstance(found, type) else found for found in (rule, chosen))
    penalties = ((PENALTIES[penalty], lmbda / len(train_split)),) if lmbda else ()
    plan = Plan(
        Objective(Backpropagation(layers, chosen), penalties),
        rule,
        data,
        eta,
        len(train_split) if rule.full_batch else min(batch_size, len(train_split)),
        epochs,
        seed,
        dtype,
        early_stopping=early_stopping,
        count_mistakes=chosen.counts_mistakes,
        **{"monitor": task.monitor, "workers": choose_workers("auto"), **settings},
    )
    theta = layers.initialize(_named(INITIALIZERS, initializer, "initializer"), stream(seed, "initialization"), dtype)
    state, history, best = plan.initial_state(theta), [], theta
    with limit_threads(choose_threads("auto", plan.batch_size * layers.multiplications)):
        for event in train(plan, state):
            if isinstance(event, EpochResult):
                history.append(event)
                best = state.evaluated_theta.copy() if event.is_best else best
            if on_event:
                on_event(event)
    return Fitted(layers, chosen, best, task, tuple(history))


def _inputs(x: npt.ArrayLike, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return inputs as they are kept: bytes as they are, other numbers in the precision of training."""
    array = np.asarray(x)
    return array if array.dtype == np.uint8 else array.astype(dtype, copy=False)


def _targets(y: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return labels (n,), or values (n, k)."""
    array = np.asarray(y)
    if array.dtype.kind not in "buif" or array.ndim not in (1, 2) or (array.ndim == 2 and array.dtype.kind != "f"):
        raise UsageError(f"y must be labels 0, 1, … (n,) or floating values (n, k), not {array.dtype} {array.shape}")
    if array.dtype.kind == "f":
        return array[:, None] if array.ndim == 1 else array
    if array.size and array.min() < 0:
        raise UsageError("labels must not be negative")
    return array.astype(np.intp)


def _split(
    examples: Split, validation: float | tuple[npt.ArrayLike, npt.ArrayLike], dtype: np.dtype[Any]
) -> tuple[Split, Split]:
    if isinstance(validation, tuple):
        return examples, Split(_inputs(validation[0], dtype), _targets(validation[1]))
    rest = len(examples) - round(validation * len(examples))
    if not 0 < rest <= len(examples):
        raise UsageError(f"validation={validation} leaves no examples to train on")
    return examples[:rest], examples[rest:]


def _layers(layers: Sequence[int | Layer], activation: Activation) -> Iterator[Layer]:
    for number, layer in enumerate(layers, start=1):
        yield Dense(layer) if isinstance(layer, int) else layer
        if isinstance(layer, int) and number < len(layers):
            yield activation


def _named(registry: Any, given: Any, what: str) -> Any:
    """Return what a name stands for; an object is returned as it is."""
    if not isinstance(given, str):
        return given
    if given not in registry:
        raise UsageError(f"{what}: unknown name '{given}' (known: {', '.join(registry)})")
    return registry[given]
