"""Train feed-forward neural networks from a YAML file, with back-propagation in plain NumPy.

The Python API: `train`, `resume`, `evaluate`, `predict`, `export`, `load_run`, `find_eta`, `cross_validate`, `sweep`,
`trace`, `fit`, `sample`, `likelihood`. It is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop_cli.api import evaluate, export, find_eta, load_run, predict, resume, train
    from backprop_cli.cross_validation import cross_validate
    from backprop_cli.explain.step import Explanation
    from backprop_cli.fitting import Fitted, fit
    from backprop_cli.generative import likelihood, sample
    from backprop_cli.results.evaluation import Evaluation
    from backprop_cli.results.folds import CrossValidation
    from backprop_cli.results.prediction import Predictions
    from backprop_cli.results.run import Run
    from backprop_cli.sweeps.result import SweepResult
    from backprop_cli.sweeps.sweep import sweep
    from backprop_cli.tracing import trace

__version__ = "0.3.0"

__all__ = [
    "CrossValidation",
    "Evaluation",
    "Explanation",
    "Fitted",
    "Predictions",
    "Run",
    "SweepResult",
    "cross_validate",
    "evaluate",
    "export",
    "find_eta",
    "fit",
    "likelihood",
    "load_run",
    "predict",
    "resume",
    "sample",
    "sweep",
    "trace",
    "train",
]


_ELSEWHERE = {
    **dict.fromkeys(("CrossValidation", "cross_validate"), "cross_validation"),
    **dict.fromkeys(("Explanation", "trace"), "tracing"),
    **dict.fromkeys(("Fitted", "fit"), "fitting"),
    **dict.fromkeys(("likelihood", "sample"), "generative"),
    **{"SweepResult": "sweeps.result", "sweep": "sweeps.sweep"},
}
"""The modules of the names that are not in `api`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"backprop_cli.{_ELSEWHERE.get(name, 'api')}"), name)
    raise AttributeError(f"module 'backprop_cli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
