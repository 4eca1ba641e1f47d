"""The tree-structured Parzen estimator of Optuna, as a function from results to suggestions.

Bergstra et al. 2011. The study is made anew from the known results, and the sampler has a seed for each number, so an
interrupted sweep continues as if it had not been interrupted. Nothing is stored by Optuna.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backprop_cli.errors import UsageError, not_installed
from backprop_cli.search.samplers import Known
from backprop_cli.search.spaces import Constant, Interval, Setting, Space, is_active

try:
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import FrozenTrial, Trial, create_trial
except ImportError:
    raise UsageError(not_installed("optuna", extra="sweep")) from None


def suggestions(spaces: Sequence[Space], seed: int, numbers: range, known: Known) -> Iterator[Setting]:
    """Yield the settings of these numbers, near those of `known` whose loss is low."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    study.add_trials([_finished(spaces, setting, loss) for setting, loss in known if loss is not None])
    for number in numbers:
        sampler_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(seed=sampler_seed)
        trial = study.ask()
        setting: Setting = {}
        for space in spaces:
            if is_active(space, setting):
                setting[space.key] = _suggestion(space, trial)
        yield setting


def _suggestion(space: Space, trial: Trial) -> Any:
    choices = range(len(space.parts))
    number = trial.suggest_categorical(space.key, list(choices)) if len(choices) > 1 else 0
    part = space.parts[number]
    if isinstance(part, Constant):
        return part.value
    suggest: Any = trial.suggest_int if part.whole else trial.suggest_float
    return part.rounded(suggest(f"{space.key}[{number}]", part.low, part.high, log=part.log))


def _finished(spaces: Sequence[Space], setting: Setting, loss: float) -> FrozenTrial:
    values: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    for space in spaces:
        if space.key not in setting:
            continue
        value = setting[space.key]
        number = next(i for i, part in enumerate(space.parts) if value in part)
        if len(space.parts) > 1:
            values[space.key], distributions[space.key] = number, CategoricalDistribution(range(len(space.parts)))
        if isinstance(part := space.parts[number], Interval):
            kind: Any = IntDistribution if part.whole else FloatDistribution
            values[f"{space.key}[{number}]"] = value
            distributions[f"{space.key}[{number}]"] = kind(part.low, part.high, log=part.log)
    return create_trial(params=values, distributions=distributions, value=loss)
