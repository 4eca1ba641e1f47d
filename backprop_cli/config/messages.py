"""Messages about invalid values: pydantic's errors in the terms of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from backprop_cli.config.reader import Path
from backprop_cli.config.shipped import keys_and_words

_MESSAGES = {
    "int_type": "must be an integer, not {input}",
    "int_from_float": "must be an integer, not {input}",
    "float_type": "must be a number, not {input}",
    "bool_type": "must be true or false, not {input}",
    "dict_type": "must be a mapping, not {input}",
    "tuple_type": "must be a list such as [784, 30, 10], or 784-30-10, not {input}",
    "greater_than": "must be greater than {gt:g}, not {input}",
    "greater_than_equal": "must be at least {ge:g}, not {input}",
    "less_than": "must be less than {lt:g}, not {input}",
    "less_than_equal": "must be at most {le:g}, not {input}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "form": "{problem}, not {input}",
    "value_error": "{error}",
}
"""By pydantic's type of error, what follows the key."""

_KEYS_ELSEWHERE = {
    "eta": "lr learning_rate learning_rate_init alpha",
    "cost": "loss criterion objective estimator",
    "'layers' with all sizes, such as 784-30-10": "hidden hidden_layers hidden_layer_sizes hidden_size units sizes",
    "dataset": "data",
    "batch_size": "batch mini_batch_size minibatch",
    "epochs": "max_iter n_epochs num_epochs steps",
    "'optimizer: {name: momentum, mu: 0.9}', or optimizer=momentum optimizer.mu=0.9": "momentum",
    "optimizer": "solver algorithm",
    "lambda": "weight_decay regularization reg",
    "'lambda: {l1: …}', or lambda.l1=…": "l1",
    "'lambda: {l2: …}', or lambda.l2=…": "l2",
    "'early_stopping: {patience: 10}', or early_stopping.patience=10": "patience",
    "schedule": "scheduler lr_scheduler",
    "initializer": "init initialization kernel_initializer",
    "output": "output_activation",
    "validation": "val validation_split validation_fraction val_split",
    "monitor": "metric metrics",
    "seed": "random_state random_seed",
    "dtype": "precision",
    "threads": "n_jobs num_threads",
}
"""What to write here for the keys of other tools."""

_NAMES_ELSEWHERE = {
    "quadratic": "mse l2 mean_squared_error squared_error",
    "absolute": "mae l1 mean_absolute_error",
    "cross_entropy": "ce bce log_loss nll crossentropy binary_crossentropy categorical_crossentropy "
    "sparse_categorical_crossentropy binary_cross_entropy log_likelihood",
    "cost": "loss val_loss",
    "f1": "f1_score f1_macro",
    "roc_auc": "auc auroc",
    "sigmoid": "logistic",
    "identity": "linear none",
    "leaky_relu": "lrelu leakyrelu",
    "silu": "swish",
    "threshold": "heaviside step",
    "winner": "argmax",
    "sgd": "gd",
    "nesterov": "nag",
    "he": "kaiming he_normal",
    "xavier": "glorot glorot_normal",
    "scaled": "lecun lecun_normal",
    "normal": "random gaussian",
    "zeros": "zero",
    "cosine": "cosineannealing cosine_annealing",
    "plateau": "reduce_on_plateau reducelronplateau",
}
"""Our names for those of other tools; one is suggested only where it is valid."""

_WITHOUT_KEY = {
    "device gpu cuda": "training uses the CPU",
    "shuffle": "the order of the examples is random in each epoch",
    "name": "use the option --name",
    "bias use_bias": "every unit has a bias",
    "sweep": "many settings are trained by: backprop sweep CONFIG",
}
"""What to say of the keys of other tools that have no counterpart here."""

_OTHER_NAMES = {"dataset": "to train on your own arrays, use backprop_cli.fit in Python"}
"""What to say where the name that is meant does not exist."""


def key_of(path: Path) -> str:
    """Return a path in the notation of a config: `optimizer.mu`, `layers[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def message(path: Path, error: Any, known_keys: Sequence[str], owners: Sequence[str] = ()) -> str:
    """Return what is wrong at path, given one of pydantic's errors and the keys that are valid there.

    `owners` are the names that have an option which is unknown here.
    """
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    key = key_of(path)
    if kind == "missing":
        return f"{key} is missing" if path[1:] else f"key '{key}' is missing"
    if kind == "extra_forbidden":
        return f"unknown key '{path[-1]}'{_hint_for_key(path, known_keys, owners)}"
    if kind in ("unknown_name", "literal_error"):
        known = context["known"] if "known" in context else re.findall(r"'(\w+)'", context["expected"])
        name = context.get("name", value)
        if isinstance(name, list | dict):
            return f"{key} must be one name, not {show(name)} (known: {', '.join(known)})"
        elsewhere = {ours: theirs for ours, theirs in _NAMES_ELSEWHERE.items() if ours in known}
        guess = _guess(str(name), known, elsewhere)
        other = f"; {_OTHER_NAMES[key]}" if key in _OTHER_NAMES and not guess else ""
        return f"{key}: unknown name {show(name)}{guess} (known: {', '.join(known)}){other}"
    if kind == "form" and isinstance(value, int | float) and not isinstance(value, bool) and context.get("option"):
        option, problem = context["option"], f"{key} {error['msg']}, not {value}"
        return f"{problem}; write '{key}: {{{option}: {value}}}', or {key}.{option}={value}"
    if kind in _MESSAGES:
        return f"{key} {_MESSAGES[kind].format(input=show(value), problem=error['msg'], **context)}"
    return f"{key}: {error['msg']}"


def usage_hint(words: Sequence[str], options: Sequence[str]) -> str | None:
    """Return an error for words that write a key of the config as an option, --epochs 3, or an option as a key.

    `options` are the options of the command, and `overrides` if it takes KEY=VALUE.
    """
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        option, equals, value = word.partition("=")
        name = option.lstrip("-").replace("-", "_")
        if option == name and equals and f"--{name}" in options:
            return f"Got unexpected extra argument ({word}); write --{name} {value}"
        if option == name or option in options or "overrides" not in options:
            continue
        elsewhere = next((ours for ours, theirs in _KEYS_ELSEWHERE.items() if name in theirs.split()), name)
        if elsewhere in _KEYS_ELSEWHERE or name.partition(".")[0] in keys_and_words():
            value = value if equals else following
            write = elsewhere if " " in elsewhere else f"{elsewhere}={value or 'VALUE'}"
            return f"No such option '{option}'; config keys are written without dashes: {write}"
    return None


def _hint_for_key(path: Path, known: Sequence[str], owners: Sequence[str]) -> str:
    """Return what to write for the unknown key, or option of a key, at path; `owners` have this option."""
    key = str(path[-1])
    if owners:
        return f"; it is an option of {', '.join(owners)} ({'.'.join(map(str, path[:-1]))}.name={owners[0]})"
    for words, text in _WITHOUT_KEY.items():
        if key.lower() in words.split():
            return f"; {text}"
    guess = _guess(key, known, _KEYS_ELSEWHERE)
    return guess or (f"; known here: {', '.join(known)}" if path[1:] else "")


def _guess(word: str, known: Iterable[str], elsewhere: Mapping[str, str]) -> str:
    for ours, theirs in elsewhere.items():
        if word.lower().replace("-", "_") in theirs.split():
            return f"; use {ours if ' ' in ours else repr(ours)}"
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.65)
    return f"; did you mean '{close[0]}'?" if close else ""


def show(value: Any) -> str:
    """Return a value as YAML would write it, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
