import json
from concurrent.futures import Executor, Future
from pathlib import Path

import backprop_cli
from backprop_cli.runs.checkpoint import read_checkpoint

CONFIG = {"dataset": "digits", "layers": [64, 8, 10], "train_size": 195, "epochs": 3}
OVER = {"eta": [0.5, 1, 2], "seed": [0, 1]}


class Here(Executor):
    """Executes each call at once, in this process; `before(number)` may raise what a lost worker would."""

    def __init__(self, jobs=1, before=lambda number: None):
        self._max_workers, self._before, self.calls = jobs, before, []

    def submit(self, function, *arguments):
        future = Future()
        self.calls.append(arguments)
        try:
            self._before(len(self.calls))
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def sweep(folder, over=OVER, config=CONFIG, **options):
    options.setdefault("executor", None if "jobs" in options else Here())
    return backprop_cli.sweep(config, over, runs_dir=folder, name="sweep", **options)


def entries(folder):
    """The lines of the journal after its head."""
    return [json.loads(line) for line in journal(folder).read_text().splitlines()[1:]]


def journal(folder):
    return folder / "sweep" / "trials.jsonl"


def settings_of(entries):
    return [tuple({**entry["setting"], "seed": entry["seed"]}.values()) for entry in entries]


def weights(folder):
    """The bytes of every array in the checkpoints of a sweep, by run."""
    found = {}
    for path in sorted(Path(folder, "sweep").glob("*/checkpoints/*.npz")):
        checkpoint = read_checkpoint(path)
        arrays = {**checkpoint.parameters, **checkpoint.arrays}
        found[f"{path.parts[-3]}/{path.name}"] = {name: array.tobytes() for name, array in arrays.items()}
    return found


def result_of(found):
    """What a sweep found, without times."""
    return {**found.to_dict(), "sweep": None}
