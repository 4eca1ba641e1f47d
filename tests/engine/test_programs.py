"""Replays of random programs, and of random update rules, are compared with the programs themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_cli.engine.gradients import gradient_of
from backprop_cli.engine.recording import Recording
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.nn.network import dense_network

UNARY = [np.negative, np.exp, np.tanh, np.sign, np.sqrt, np.abs, lambda x: x, lambda x: x.T.T]
BINARY = [np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda x, y: np.where(x > y, x, 2 * y)]


@st.composite
def programs(draw):
    """A list of instructions on a growing list of values, the first four of which are the arguments."""
    program = []
    for n in range(4, 4 + draw(st.integers(1, 12))):
        place, other = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
        kind = draw(st.sampled_from(["unary", "binary", "number", "sum", "product", "write", "add to", "clip"]))
        choice = draw(st.integers(0, 100))
        program.append((kind, place, other, choice))
    return program


def run(program, x, y, s, total):
    values = [x, y, s, total]
    for kind, place, other, choice in program:
        a, b = values[place], values[other]
        if kind == "unary":
            values.append(UNARY[choice % len(UNARY)](a))
        elif kind == "binary":
            values.append(BINARY[choice % len(BINARY)](a, b))
        elif kind == "number":
            values.append(BINARY[choice % 5](a, choice / 50 - 1))
        elif kind == "sum":
            values.append(a if a.ndim == 0 else np.sum(a, axis=-1, keepdims=True) + np.zeros((3, 3)))
        elif kind == "product":
            values.append(a @ b.mT if a.ndim == b.ndim == 2 else a)
        elif kind == "clip":
            values.append(np.clip(a, -0.5, choice / 100))
        elif kind == "write" and a.ndim == 2:
            total[...] = a
            values.append(b)
        elif kind == "add to":
            total += a
            values.append(total)
        else:
            values.append(a)
    total[...] = values[-1] + total


@given(programs(), st.integers(0, 2**32 - 1))
@settings(max_examples=400, deadline=None)
def test_a_replay_of_a_random_program_equals_the_program(program, seed):
    rng = np.random.default_rng(seed)
    arguments = [np.zeros((3, 3)), np.zeros((3, 3)), np.zeros(()), np.zeros((3, 3))]
    recording = Recording()
    run(program, *map(recording.watch, arguments))
    replay = recording.finish()
    with np.errstate(all="ignore"):
        for _ in range(2):
            for array in arguments:
                array[...] = rng.standard_normal(array.shape)
            plain = [array.copy() for array in arguments]
            run(program, *plain)
            replay()
            for array, expected in zip(arguments, plain, strict=True):
                np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-12)


@st.composite
def rules(draw):
    """Instructions on a growing list of vectors and numbers, as in the rule of an optimizer."""
    kinds = ["scale", "scale", "sum", "difference", "ratio", "square", "write", "decay", "take off"]
    places = st.integers(0, 100)
    return [(draw(st.sampled_from(kinds)), draw(places), draw(places)) for _ in range(draw(st.integers(2, 14)))]


def follow(program, theta, v, g, c, d):
    vectors, numbers = [g, v, theta], [c, d, 0.5]
    for kind, place, other in program:
        x, y, k = vectors[place % len(vectors)], vectors[other % len(vectors)], numbers[other % 3]
        state = (theta, v)[other % 2]
        if kind == "scale":
            vectors.append(k * x)
        elif kind == "sum":
            vectors.append(y + k * x)
        elif kind == "difference":
            vectors.append(y - x)
        elif kind == "ratio":
            vectors.append(x / (np.abs(y) + 1.5))
        elif kind == "square":
            vectors.append(x * x / (np.abs(x) + 1.5))
        elif kind == "write":
            state[...] = k * state - c * x
        elif kind == "decay":
            state *= k
        else:
            state -= k * x / (np.abs(y) + 1.5)
    theta += vectors[-1]
    v -= d * vectors[-2]


@given(rules(), st.integers(0, 2**32 - 1), st.sampled_from([1, 1000]))
@settings(max_examples=400, deadline=None)
def test_a_replay_of_a_random_rule_equals_the_rule(program, seed, vector):
    rng = np.random.default_rng(seed)
    arguments = [np.zeros(7), np.zeros(7), np.zeros(7), np.zeros(()), np.zeros(())]
    recording = Recording()
    follow(program, *map(recording.watch, arguments))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backprop_cli.engine.fusion.VECTOR", vector)
        replay = recording.finish()
    for _ in range(2):
        for array in arguments:
            array[...] = rng.uniform(-1, 1, array.shape)
        plain = [array.copy() for array in arguments]
        follow(program, *plain)
        replay()
        for array, expected in zip(arguments, plain, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-11)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_gradient_goes_into_a_velocity_only_if_that_is_all_it_is_for(seed, penalized, read_again, partly):
    rng = np.random.default_rng(seed)
    layout = dense_network((3, 2), (ACTIVATIONS["identity"],)).layout
    theta, v, delta, x, eta = (rng.standard_normal(shape) for shape in (8, 8, (4, 2), (4, 3), ()))
    eta, before = np.asarray(eta), (theta.copy(), v.copy())

    recording = Recording()
    t, s, d, a, e = map(recording.watch, (theta, v, delta, x, eta))
    g = np.empty_like(t)
    (sink,) = gradient_of(recording, layout, g)
    sink.add_product("W", d.mT, a)
    sink.add_sum("b", d) if not partly else g.__setitem__(np.s_[6:], np.zeros(2))
    if penalized:
        g[:6] += 0.1 * t[:6]
    s[...] = 0.9 * s - e * g
    t += s - 0.5 * g if read_again else s
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backprop_cli.engine.fusion.VECTOR", 1)
        recording.finish()()

    g = np.concatenate([(delta.T @ x).ravel(), np.zeros(2) if partly else delta.sum(0)])
    g[:6] += 0.1 * before[0][:6] * penalized
    expected = 0.9 * before[1] - eta * g
    np.testing.assert_allclose(v, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(theta, before[0] + expected - 0.5 * g * read_again, rtol=1e-9, atol=1e-12)
