"""K networks of a workload trained by this program as one computation, or one by the usual loop.

Arguments: the workload, K, and `same` (the same batches, another η each) or `different` (another seed each). Prints
the seconds per network and epoch. They are those of the whole loop, with everything but evaluation.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from backprop_cli.config.arguments import experiment_from
from backprop_cli.runs.build import build_plan, initial_theta
from backprop_cli.threads import limit_threads
from backprop_cli.training.loop import EpochResult, Event, Progress, train
from backprop_cli.training.stacks import StackedStepper, train_together
from benchmarks.peers.common import data_of
from benchmarks.workloads import Workload

VARIED = {"same": lambda w, k: {"eta": w.eta * 0.95**k}, "different": lambda w, k: {"seed": k}}


def seconds_per_network(w: Workload, networks: int, batches: str) -> float:
    data = data_of(w)
    data = replace(data, validation=data.validation[:0])
    begun, loops = [], {}

    def timed(events: Iterator[Event]) -> Iterator[Event]:
        """Pass events on until the last step is made; the clock starts when the first epoch has ended."""
        for event in events:
            if isinstance(event, EpochResult) and event.epoch == 1:
                begun.append(time.perf_counter())
            if isinstance(event, Progress) and (event.epoch, event.step) == (1 + w.epochs, event.steps):
                return
            yield event

    for k in range(networks):
        e = experiment_from({**w.to_config(), "evaluate_every": 1 + w.epochs, **VARIED[batches](w, k)}, [])
        plan = build_plan(e, data)
        state = plan.initial_state(initial_theta(e))
        stepper = StackedStepper(plan, state) if networks > 1 else None
        loops[timed(train(plan, state, stepper=stepper))] = stepper
    with limit_threads(w.threads):
        if networks > 1:
            train_together(loops)
        else:
            for _ in next(iter(loops)):
                pass
    return (time.perf_counter() - max(begun)) / (networks * w.epochs)


if __name__ == "__main__":
    workload, count, how = sys.argv[1:]
    print(json.dumps({"seconds": seconds_per_network(Workload.from_json(workload), int(count), how)}))
