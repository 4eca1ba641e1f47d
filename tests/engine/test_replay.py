import os
import threading
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from backprop_cli.engine.calls import Call
from backprop_cli.engine.recording import Recording
from backprop_cli.engine.replay import Replay

N = 40_000


def chain(lanes, x, y):
    """A replay of y <- (2 x + 1)², and of the sum of y for every column."""
    recording = Recording(lanes=lanes)
    traced, out = recording.watch(x), recording.watch(y)
    out[...] = (2 * traced + 1) ** 2
    total = np.sum(out * 1.0, axis=0)
    return recording.finish(total)


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_threads_share_the_calls_and_read_what_others_have_written(lanes):
    x, y = np.zeros((200, N // 200)), np.zeros((200, N // 200))
    replay = chain(lanes, x, y)
    for value in range(20):
        x[...] = value + np.arange(N).reshape(x.shape)
        replay()
        np.testing.assert_array_equal(y, (2 * x + 1) ** 2)
        np.testing.assert_array_equal(replay.results[0], y.sum(0))


@pytest.mark.parametrize("lanes", [2, 3])
@pytest.mark.parametrize("order", "CF")
def test_a_product_whose_parts_are_made_by_threads_equals_the_product(lanes, order):
    rng = np.random.default_rng(0)
    a, b = np.array(rng.random((90, 300)), order=order), np.array(rng.random((300, 70)), order=order)
    recording = Recording(lanes=lanes)
    replay = recording.finish(recording.watch(a) @ recording.watch(b) + 1.0)
    assert {call.lane for call in replay.recorded} == set(range(lanes))
    replay()
    np.testing.assert_allclose(replay.results[0], a @ b + 1, rtol=1e-13)


def in_turns(lanes, turns, x):
    """A replay of the sum of (2 x_i + 1)² over the parts x_i, which take turns with so many memories."""
    recording = Recording(lanes=lanes)
    traced = recording.watch(x)
    memories = [np.empty_like(traced[0]) for _ in range(turns)]
    totals = [np.zeros_like(traced[0]) for _ in range(turns)]
    for number in range(len(x)):
        memory, turn = memories[number % turns], number % turns
        np.multiply(traced[number], 2, out=memory)
        memory += 1
        totals[turn] += memory * memory
    first, *others = totals
    return recording.finish(sum(others, start=first))


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_parts_that_have_memory_of_their_own_are_made_by_a_thread_each(lanes, turns):
    x = np.zeros((8, 200, N // 200))
    replay = in_turns(lanes, turns, x)
    whole = {call.lane for call in replay.recorded if call.out.shape == x[0].shape and call.lane is not None}
    assert whole == ({0, 1} if lanes == turns == 2 else set())
    for value in range(20):
        x[...] = value + np.arange(x.size).reshape(x.shape) % 1_000
        replay()
        np.testing.assert_array_equal(replay.results[0], ((2 * x + 1) ** 2).sum(0))


@dataclass(eq=False)
class Meeting(Call):
    """A call whose thread has to meet another one's."""

    def replays(self):
        return [partial(self.inputs[0].wait, timeout=10)]


def test_threads_do_not_wait_for_columns_between_their_own():
    x, meeting = np.zeros((200, 400)), threading.Barrier(2)
    left, right = (
        Meeting([meeting], x[:, columns], lane=lane) for lane, columns in enumerate((slice(0, 150), slice(150, 300)))
    )
    Replay([left, right], (), (x,))()


@dataclass(eq=False)
class Failing(Call):
    """A call that raises its first input, if that is an exception."""

    def replays(self):
        def fail():
            if isinstance(self.inputs[0], BaseException):
                raise self.inputs[0]

        return [fail]


@pytest.mark.parametrize("error", [ValueError("in a call"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("place", [0, 1, 3, -1])
def test_an_exception_in_any_thread_is_raised_in_the_first_and_the_next_replay_works(error, place):
    x, y = np.ones((200, N // 200)), np.zeros((200, N // 200))
    replay = chain(2, x, y)
    failing = Failing([error], np.zeros(1), lane=replay.recorded[place].lane)
    calls = list(replay.recorded)
    calls.insert(len(calls) + place if place < 0 else place, failing)
    broken = Replay(calls, replay.results, replay.watched)
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(type(error)):
            broken()
    failing.inputs[0] = None
    y[...] = 0
    broken()
    np.testing.assert_array_equal(y, 9)
    assert threading.active_count() <= before + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_process_that_is_forked_after_a_replay_starts_threads_of_its_own():
    x, y = np.ones((200, N // 200)), np.zeros((200, N // 200))
    replay = chain(2, x, y)
    replay()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork; the thread is idle
        child = os.fork()
    if child == 0:
        x[...] = 2
        replay()
        os._exit(0 if (y == 25).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_that_wait_use_no_processor_time():
    x, y = np.ones((200, N // 200)), np.zeros((200, N // 200))
    chain(2, x, y)()
    waiting = threading.Event()
    before = os.times()
    waiting.wait(0.3)
    after = os.times()
    assert after.user + after.system - before.user - before.system < 0.15


def test_large_calls_are_split_and_small_ones_stay_whole():
    recording = Recording(lanes=2)
    large, small = recording.watch(np.ones(50_000)), recording.watch(np.ones(100))
    large *= 2.0
    small *= 2.0
    replay = recording.finish()
    assert sorted(call.lane for call in replay.recorded if call.out.size == 100) == [0]
    assert {call.lane for call in replay.recorded} == {0, 1}
