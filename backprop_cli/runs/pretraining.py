"""The phases of a run that train its layers one after another, before all layers are trained together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backprop_cli.config.phases import Phase, phases_of
from backprop_cli.data.dataset import Dataset
from backprop_cli.density import without_targets
from backprop_cli.errors import CheckpointError
from backprop_cli.experiment.schema import Experiment
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


@dataclass
class Pretraining:
    """Pre-training of the network of an experiment.

    `state` is that of the run: the phases fill its theta layer by layer, and its status counts the epochs of all.
    `phase` is the one under way, None before the first and after the last; `own` is its state of training.
    """

    experiment: Experiment
    data: Dataset
    network: Network
    state: TrainingState
    phase: Phase | None = None
    own: TrainingState | None = None
    plan: Plan | None = None
    phases: list[Phase] = field(default_factory=list)

    @classmethod
    def of(cls, e: Experiment, plan: Plan, state: TrainingState) -> Pretraining | None:
        """Return the pre-training of an experiment that asks for it, where a run begins or continues."""
        phases = phases_of(e)
        return cls(e, plan.data, e.network, state, phases=phases) if phases else None

    def begin(self) -> None:
        """Begin the first phase. Raises UsageError if its examples are not what it needs."""
        self._begin(self.phases[0])

    @property
    def arrays(self) -> dict[str, Array]:
        """What a checkpoint has besides the parameters of the network."""
        return {**self.own.arrays, THETA: self.own.theta} if self.own else self.state.arrays

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> bool:
        """Continue the phase that a checkpoint is from; return whether it is from one. Raises CheckpointError."""
        place = self.state.status.epoch + bool(self.state.status.step)
        phase = next((phase for phase in self.phases if place <= phase.last), None)
        if phase is None:
            return False
        plan, own = self._begin(phase)
        found = {name: array.copy() for name, array in arrays.items()}
        if shapes_of(found) != shapes_of({**own.arrays, THETA: own.theta}):
            raise CheckpointError(f"its arrays are not those of the phase {phase.name}")
        own.theta[...] = found.pop(THETA)
        if not np.isfinite(own.theta).all():
            raise CheckpointError(f"its {THETA} is not finite")
        own.arrays = found
        check_state(plan, own, best=meta.best, last=meta.last)
        return True

    def events(self, stop: Callable[[], bool], keep: Callable[[Mapping[str, Array]], None]) -> Iterator[Event]:
        """Train the phases from where the run stands; `phase` is None afterwards unless stop() was true.

        After each phase, keep is called with the arrays that it has trained.
        """
        status = self.state.status
        first = self.phases.index(self.phase) if self.phase else len(self.phases)
        for phase in self.phases[first:]:
            if phase is not self.phase:
                self._begin(phase)
            assert self.plan, "a phase is under way"
            assert self.own, "and has a state"
            for event in train(self.plan, self.own, stop):
                if isinstance(event, EpochResult):
                    self._fill()
                    yield replace(event, phase=phase.name, is_best=False)
                elif isinstance(event, Progress):
                    yield event
            if status.epoch < phase.last and not status.stopped:
                return
            keep(self._fill())
            self.phase = self.plan = self.own = None
            status.epoch = phase.last  # also where a minimizer has found no lower cost
            status.begin_phase()

    def _begin(self, phase: Phase) -> tuple[Plan, TrainingState]:
        """Return the plan of a phase, and the state in which it starts."""
        e = phase.experiment
        data = self._data_of(phase)
        plan = replace(build_plan(e, data), offset=phase.offset)
        own = plan.initial_state(initial_theta(e, data=data, phase=phase.number))
        own.status = self.state.status
        self.phase, self.plan, self.own = phase, plan, own
        return plan, own

    def _fill(self) -> dict[str, Array]:
        """Put the layer of the phase into the network; return what the phase trains, by the numbers of layers.

        In an autoencoder, the layer that leads back has its place in the second half.
        """
        assert self.phase, "a phase is under way"
        assert self.own, "and has a state"
        k, views = self.phase.number, self.network.layout.named(self.state.theta)
        trained = self.phase.experiment.network.layout.named(self.own.theta.copy())
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
