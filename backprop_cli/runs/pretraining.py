"""The phases of a run that train its layers one after another, before all layers are trained together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from backprop_cli.config.phases import Phase, phases_of
from backprop_cli.data.dataset import Dataset
from backprop_cli.density import without_targets
from backprop_cli.errors import CheckpointError
from backprop_cli.experiment.schema import Experiment
from backprop_cli.frozen import frozen
from backprop_cli.nn.arrays import Array
from backprop_cli.nn.network import Network
from backprop_cli.runs.build import build_plan, initial_theta
from backprop_cli.runs.checkpoint import Meta
from backprop_cli.training.codes import encoder_of
from backprop_cli.training.consistency import check_state
from backprop_cli.training.loop import EpochResult, Event, Progress, train
from backprop_cli.training.plan import Plan
from backprop_cli.training.state import TrainingState, shapes_of

THETA = "phase.theta"
"""The array of a checkpoint with the parameters of the phase under way, in the layout of its network."""

NAMES = {"W2": "V", "b2": "c", "a1": "a"}
"""What leads back from layer k, in the network of a phase and, followed by k, in the file of pre-trained arrays."""


@frozen
class UnderWay:
    """A phase under way: its plan, and its own state of training."""

    phase: Phase
    plan: Plan
    state: TrainingState


@dataclass
class Pretraining:
    """Pre-training of the network of an experiment, in one phase at least.

    `state` is that of the run: the phases fill its theta layer by layer, and its status counts the epochs of all.
    `now` is the phase under way, None before the first and after the last.
    """

    experiment: Experiment
    data: Dataset
    network: Network
    state: TrainingState
    phases: list[Phase]
    now: UnderWay | None = None

    @classmethod
    def of(cls, e: Experiment, plan: Plan, state: TrainingState) -> Pretraining | None:
        """Return the pre-training of an experiment that asks for it, where a run begins or continues."""
        phases = phases_of(e)
        return cls(e, plan.data, e.network, state, phases) if phases else None

    def begin(self) -> None:
        """Begin the first phase. Raises UsageError if its examples are not what it needs."""
        self._begin(self.phases[0])

    @property
    def arrays(self) -> dict[str, Array]:
        """What a checkpoint has besides the parameters of the network."""
        return {**self.now.state.arrays, THETA: self.now.state.theta} if self.now else self.state.arrays

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> bool:
        """Continue the phase that a checkpoint is from; return whether it is from one. Raises CheckpointError."""
        place = self.state.status.epoch + bool(self.state.status.step)
        phase = next((phase for phase in self.phases if place <= phase.last), None)
        if phase is None:
            return False
        now = self._begin(phase)
        own = now.state
        found = {name: array.copy() for name, array in arrays.items()}
        if shapes_of(found) != shapes_of({**own.arrays, THETA: own.theta}):
            raise CheckpointError(f"its arrays are not those of the phase {phase.name}")
        own.theta[...] = found.pop(THETA)
        if not np.isfinite(own.theta).all():
            raise CheckpointError(f"its {THETA} is not finite")
        own.arrays = found
        check_state(now.plan, own, best=meta.best, last=meta.last)
        return True

    def events(self, stop: Callable[[], bool], keep: Callable[[Mapping[str, Array]], None]) -> Iterator[Event]:
        """Train the phases from where the run stands; `now` is None afterwards unless stop() was true.

        After each phase, keep is called with the arrays that it has trained.
        """
        status = self.state.status
        first = self.phases.index(self.now.phase) if self.now else len(self.phases)
        for phase in self.phases[first:]:
            now = self.now or self._begin(phase)
            for event in train(now.plan, now.state, stop):
                if isinstance(event, EpochResult):
                    self._fill(now)
                    yield replace(event, phase=phase.name, is_best=False)
                elif isinstance(event, Progress):
                    yield event
            if status.epoch < phase.last and not status.stopped:
                return
            keep(self._fill(now))
            self.now = None
            status.epoch = phase.last  # also where a minimizer has found no lower cost
            status.begin_phase()

    def _begin(self, phase: Phase) -> UnderWay:
        """Return a phase under way, in the state in which it starts."""
        e = phase.experiment
        data = self._data_of(phase)
        plan = replace(build_plan(e, data), offset=phase.offset)
        own = plan.initial_state(initial_theta(e, data=data, phase=phase.number))
        own.status = self.state.status
        self.now = UnderWay(phase, plan, own)
        return self.now

    def _fill(self, now: UnderWay) -> dict[str, Array]:
        """Put the layer of the phase into the network; return what the phase trains, by the numbers of layers.

        In an autoencoder, the layer that leads back has its place in the second half.
        """
        k, views = now.phase.number, self.network.layout.named(self.state.theta)
        trained = now.phase.experiment.network.layout.named(now.state.theta.copy())
        values = {f"W{k}": trained["W1"], f"b{k}": trained["b1"]}
        if self.experiment.reconstructs:
            mirror = len(self.network.units) - k + 1
            back = trained.get("W2", trained["W1"].T), trained["b2"] if "b2" in trained else trained["a1"]
            values |= dict(zip((f"W{mirror}", f"b{mirror}"), back, strict=True))
        for name, value in values.items():
            if name in views:
                views[name][...] = value
        return {f"W{k}": trained["W1"], f"b{k}": trained["b1"]} | {
            f"{NAMES[name]}{k}": array for name, array in trained.items() if name in NAMES
        }

    def _data_of(self, phase: Phase) -> Dataset:
        """Return the examples of a phase: the inputs, or the codes of the layer below, which are means."""
        e, data = phase.experiment, self.data
        splits = [data.train, data.validation, data.test]
        if phase.number > 1:
            encode = encoder_of(self.network, self.state.theta, phase.number - 1, data)
            splits = [replace(split, inputs=encode(split.inputs)) for split in splits]
            data = replace(data, scale=1.0, image=None)
        if e.reconstructs:
            splits = [split.reconstructing() for split in splits]
        train, validation, test = splits
        data = replace(data, task=e.task, train=train, validation=validation, test=test)
        return without_targets(data) if e.cost.unsupervised else data
