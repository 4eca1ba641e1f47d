import itertools

import numpy as np
import pytest

from backprop_cli.engine.recording import Recording
from backprop_cli.engine.stacks import Stack, form_of

UFUNCS = (np.exp, np.expm1, np.log, np.log1p, np.tanh, np.sqrt, np.negative, np.abs, np.sign)


def compute(x, w, out, c, activation=np.tanh):
    """Calls of every kind: products, elementwise calls with numbers and arrays, sums, a choice."""
    z = x @ w.T
    a = activation(c * z) + 1
    s = a / np.sum(a, axis=-1, keepdims=True) - np.max(z, axis=-1, keepdims=True)
    out += np.where(z > 0, s, 2 * a)
    out[...] = out * out


class Network:
    """Arrays of a network, and what is recorded on them."""

    def __init__(self, seed, m=5, n=4, order="C", activation=np.tanh, x=None):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(m, 3)) if x is None else x.copy()
        self.w, self.out = rng.normal(size=(n, 3)), np.asarray(rng.normal(size=(m, n)), order=order)
        self.c = np.asarray(rng.normal())
        recording = Recording()
        compute(*map(recording.watch, self.arrays), activation)
        self.replay = recording.finish()

    @property
    def arrays(self):
        return self.x, self.w, self.out, self.c


def replay(stack, networks):
    for call in stack.calls(5, networks):
        call()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n", [1, 4, 300, 9000])
def test_a_stack_computes_the_bits_of_each_recording(n, order):
    alone = [Network(seed, n=n, order=order) for seed in range(6)]
    networks = [Network(seed, n=n, order=order) for seed in range(6)]
    stack = Stack([{5: network.replay} for network in networks])
    for some in ([0, 1, 2, 3, 4, 5], [1, 2, 4], [5]):  # the others stay as they are
        for k in some:
            alone[k].replay()
        replay(stack, some)
        for k, (one, network) in enumerate(zip(alone, networks, strict=True)):
            assert [stack.moved(k, array).tobytes() for array in network.arrays] == [a.tobytes() for a in one.arrays]


def test_what_is_the_same_for_all_is_in_memory_and_computed_once():
    x = np.random.default_rng(0).normal(size=(5, 3))
    networks = [Network(seed, x=x) for seed in range(4)]
    stack = Stack([{5: network.replay} for network in networks], equal=[networks[0].x])
    assert all(stack.moved(k, network.x) is networks[0].x for k, network in enumerate(networks))
    assert not np.shares_memory(stack.moved(0, networks[0].w), stack.moved(1, networks[1].w))
    networks[0].x[...] *= 2
    alone = [Network(seed, x=2 * x) for seed in range(4)]
    replay(stack, range(4))
    for k, (one, network) in enumerate(zip(alone, networks, strict=True)):
        one.replay()
        assert stack.moved(k, network.out).tobytes() == one.out.tobytes()


def test_small_calls_are_made_once_for_all_networks():
    networks = [Network(seed) for seed in range(8)]
    calls = Stack([{5: network.replay} for network in networks]).calls(5, range(8))
    assert len(calls) < 3 * len(networks[0].replay.calls)


def test_the_form_of_recordings_is_all_but_their_numbers():
    form = form_of({5: Network(0).replay})
    assert form_of({5: Network(1).replay}) == form
    for other in (Network(0, n=5), Network(0, order="F"), Network(0, activation=np.exp)):
        assert form_of({5: other.replay}) != form
    assert form_of({6: Network(0).replay}) != form


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_a_ufunc_gives_the_same_bits_wherever_a_number_is(ufunc, dtype):
    x = np.abs(np.random.default_rng(0).normal(0, 4, (8, 70))).astype(dtype)
    for n in range(1, 70):
        together = ufunc(np.ascontiguousarray(x[:, :n]))
        for k in range(8):
            alone = np.empty(n, dtype)
            ufunc(x[k, :n].copy(), alone)
            assert together[k].tobytes() == alone.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("ufunc", [np.add, np.maximum], ids=["sum", "max"])
def test_a_reduction_of_a_block_gives_the_bits_of_each_array(ufunc, order, dtype):
    rng = np.random.default_rng(0)
    for m, n in itertools.product((1, 2, 8, 10, 33), (1, 2, 7, 8, 9, 10, 30, 130, 300)):
        arrays = [np.asarray(rng.normal(size=(m, n)), dtype, order=order) for _ in range(5)]
        block = np.stack([array.T for array in arrays]).mT if order == "F" else np.stack(arrays)
        for keepdims in (True, False):
            together = ufunc.reduce(block, axis=-1, keepdims=keepdims)
            for k, array in enumerate(arrays):
                assert together[k].tobytes() == ufunc.reduce(array, axis=-1, keepdims=keepdims).tobytes()
