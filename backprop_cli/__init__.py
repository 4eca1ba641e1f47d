"""Train feed-forward neural networks from a YAML file, with back-propagation in plain NumPy.

The Python API: `train`, `resume`, `evaluate`, `predict`, `load_run`. It is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backprop_cli.api import evaluate, load_run, predict, resume, train
    from backprop_cli.runs.evaluation import Evaluation
    from backprop_cli.runs.prediction import Predictions
    from backprop_cli.runs.run import Run

__version__ = "0.1.0"

__all__ = ["Evaluation", "Predictions", "Run", "evaluate", "load_run", "predict", "resume", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("backprop_cli.api"), name)
    raise AttributeError(f"module 'backprop_cli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
