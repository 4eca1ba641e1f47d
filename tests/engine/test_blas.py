import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.linalg.blas

from backprop_cli.engine.blas import GEMM, by_blas, gemm, products
from backprop_cli.engine.calls import Axpy
from backprop_cli.engine.recording import Recording
from backprop_cli.threads import blas_info, limit_threads


def arrays(dtype="float32", m=50, k=300, n=7):
    rng = np.random.default_rng(0)
    return rng.random((m, k)).astype(dtype), rng.random((k, n)).astype(dtype), np.zeros((m, n), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("threads", "order"), [(True, "C"), (False, "C"), (False, "F")])
@pytest.mark.parametrize(("m", "n"), [(1, 7), (50, 7), (400, 7), (10, 400), (3, 4)])
def test_blocked_products_equal_matrix_products(dtype, threads, order, m, n):
    a, b, _ = arrays(dtype, m=m, n=n)
    for right in (b, np.asfortranarray(b)):
        out = np.empty((m, n), dtype, order=order)
        calls = products(a, right, out, threads=threads)
        for call in calls:
            call()
        np.testing.assert_allclose(out, a @ b, rtol=1e-5)


def test_a_product_may_be_added_to_a_multiple_of_the_output():
    a, b, out = arrays()
    out[...] = 1
    gemm(a, b, out, alpha=-2.0, beta=0.5)()
    np.testing.assert_allclose(out, 0.5 - 2 * (a @ b), rtol=1e-5)


@pytest.mark.parametrize("unlocked", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_matrices_are_multiplied_where_they_are(dtype, unlocked):
    rng = np.random.default_rng(0)
    a, b, out = (rng.random(shape).astype(dtype) for shape in ((40, 60), (60, 50), (40, 50)))
    wide, high, rest, half = np.s_[:, 5:55], np.s_[3:53], np.s_[:, 20:], np.asarray(0.5, dtype)
    for left, right in ((a[wide], b[high][rest]), (np.asfortranarray(a)[wide], np.asfortranarray(b)[high][rest])):
        for order in "CF":
            whole = np.array(out, order=order)
            gemm(left, right, whole[rest], -2.0, half, unlocked)()
            np.testing.assert_allclose(whole[rest], 0.5 * out[rest] - 2 * (left @ right), rtol=1e-5)
            np.testing.assert_array_equal(whole[:, :20], out[:, :20])


def test_an_unlocked_product_lets_other_threads_run():
    a, times, calls = np.ones((1500, 1500)), [], []
    product = gemm(a, a, np.empty_like(a), unlocked=True)

    def multiply():
        for _ in range(5):
            start = time.perf_counter()
            product()
            calls.append((start, time.perf_counter()))

    running = threading.Thread(target=multiply)
    running.start()
    while running.is_alive():
        times.append(time.perf_counter())
    middles = [(start + (end - start) / 4, end - (end - start) / 4) for start, end in calls]
    assert any(start < now < end for now in times for start, end in middles)


def test_products_that_blas_cannot_do_in_place_are_declined():
    a, b, out = arrays()
    assert gemm(a, b, np.empty((100, 14), "float32")[::2, ::2]) is None
    assert gemm(a[:, ::2], b[::2], out) is None
    assert gemm(a.astype("float64"), b, out) is None
    assert gemm(a.astype("float16"), b.astype("float16"), out.astype("float16")) is None


@pytest.fixture(params=[True, False], ids=["kernels for small matrices", "none"])
def small(request, monkeypatch):
    monkeypatch.setattr("backprop_cli.engine.blas.prefers_small_products", lambda *_: request.param)
    return request.param


SHAPES = [
    (10, 2880, 100),
    (10, 100, 2880),
    (100, 10, 2880),
    (3, 400_003, 1),
    (40, 500, 512),
    (500, 40, 512),
    (200, 784, 100),
]


@pytest.mark.parametrize("order_a", "CF")
@pytest.mark.parametrize("order_b", "CF")
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_products_in_blocks_are_products(m, k, n, order_a, order_b, order, small):
    rng, keep = np.random.default_rng(0), np.asarray(0.5)
    a, b = np.array(rng.random((m, k)), order=order_a), np.array(rng.random((k, n)), order=order_b)
    for alpha, beta in ((1.0, 0.0), (-2.0, 1.0), (-1.0, keep)):
        out = np.array(rng.random((m, n)), order=order)
        expected = alpha * (a @ b) + beta * out
        calls = products(a, b, out, alpha, beta)
        assert calls
        assert small or len(calls) == 1 + (beta is keep)
        for call in calls:
            call()
        np.testing.assert_allclose(out, expected, rtol=1e-9)


@pytest.mark.parametrize("order_a", "CF")
@pytest.mark.parametrize("order_b", "CF")
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize(("m", "k", "n"), [(40, 500, 512), (200, 784, 100), (800, 500, 100)])
def test_blocks_are_as_small_as_the_kernels_for_small_matrices_want_them(m, k, n, order_a, order_b, order, monkeypatch):
    monkeypatch.setattr("backprop_cli.engine.blas.prefers_small_products", lambda *_: True)
    a, b, out = np.zeros((m, k), order=order_a), np.zeros((k, n), order=order_b), np.zeros((m, n), order=order)
    count = len(products(a, b, out))
    assert m * k * n / 1e6 <= count < 3 * m * k * n / 1e6
    assert len(products(a, b, out, unlocked=True)) == 1


def test_products_stay_whole_where_blas_has_no_kernels_for_small_matrices():
    program = """if True:
        import numpy as np
        from backprop_cli.engine.blas import products
        from backprop_cli.threads import limit_threads
        a, b, out = np.zeros((40, 500)), np.zeros((500, 512)), np.zeros((40, 512))
        with limit_threads(1):
            print(len(products(a, b, out)))
    """
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"


def test_the_functions_are_those_of_scipy_but_the_rest_of_its_linear_algebra_is_not_loaded():
    assert GEMM[np.dtype("float32")] is scipy.linalg.blas.sgemm
    program = "import sys, backprop_cli.engine.blas; sys.exit('scipy.linalg.lapack' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("changed", [(), (2, 8), range(9), (4,)])
@pytest.mark.parametrize("factor", [0.5, 0.0, np.inf, np.nan])
def test_rows_are_multiplied_to_the_bit(dtype, changed, factor):
    rng = np.random.default_rng(0)
    x, factors = rng.standard_normal((9, 700)).astype(dtype), np.ones((9, 1), dtype)
    factors[list(changed)] = factor
    x[4, 5:8] = np.inf, np.nan, -0.0
    call = by_blas(np.multiply, [x, factors], x)
    with np.errstate(all="ignore"):
        expected = x * factors
        call()
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta", [0.0, 1.0, np.asarray(0.5)])
@pytest.mark.parametrize(("units", "calls"), [(30, 1), (61, 2), (100, 3)])
def test_a_gradient_of_weights_is_made_in_blocks_of_units(dtype, beta, units, calls, small):
    rng = np.random.default_rng(0)
    delta, x = rng.random((32, units)).astype(dtype), rng.random((32, 784)).astype(dtype)
    out = rng.random((units, 784)).astype(dtype)
    beta = beta if isinstance(beta, float) else beta.astype(dtype)
    expected = beta * out - 0.5 * delta.T @ x
    made = products(np.asfortranarray(delta).T, x, out, -0.5, beta)
    assert len(made) == calls if small else len(made) <= 2
    for call in made:
        call()
    np.testing.assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize("size", [1_000, 10_000, 25_003])
def test_a_multiple_of_a_vector_is_added_in_parts(size):
    rng = np.random.default_rng(0)
    x, y, c, recording = rng.random(size), rng.random(size), np.asarray(0.3), Recording()
    expected = y - 0.3 * x
    watched = recording.watch(y)
    watched -= recording.watch(c) * recording.watch(x)
    replay = recording.finish()
    assert len(replay.calls) == 1 + -(-size // 10_000)  # -c, and the sums
    replay()
    np.testing.assert_allclose(y, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "order"), [(30, "C"), (784, "C"), (30, "F")])
@pytest.mark.parametrize("beta", [0.0, 1.0, np.asarray(0.5)])
def test_the_product_of_one_row_is_that_of_a_vector(dtype, n, order, beta):
    rng = np.random.default_rng(0)
    a, b, out = (rng.random(shape).astype(dtype) for shape in ((1, n), (n, 10), (1, 10)))
    b = np.asarray(b, order=order)
    expected = -2.0 * a @ b + beta * out
    call = gemm(a, b, out, -2.0, beta if isinstance(beta, float) else beta.astype(dtype))
    assert "gemv" in str(call.func)
    call()
    np.testing.assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_few_numbers_are_scaled_in_place_to_the_bit(dtype, order):
    x, c = np.asarray(np.random.default_rng(0).standard_normal((9, 30)).astype(dtype), order=order), np.array(3, dtype)
    call = by_blas(np.multiply, [c, x], x)
    for c[...] in (0.3, -2.0, 0.0):  # it is read at every call
        expected = x * c
        call()
        np.testing.assert_array_equal(x, expected)
    assert by_blas(np.multiply, [c, x], x.copy()) is None
    assert by_blas(np.multiply, [np.full(30, 2, dtype), x], x) is None


def test_threads_make_all_blocks_of_rows_in_one_call_with_the_same_bits(small):
    rng = np.random.default_rng(0)
    a, b, out = (rng.random(shape).astype(np.float32) for shape in ((1010, 784), (784, 30), (1010, 30)))
    calls = products(a, b, out, threads=True)
    rows = calls[0].args[0].shape[1]
    assert len(calls) == (2 if small else 1)  # the last rows are fewer
    for call in calls:
        call()
    blocks = [np.matmul(a[i : i + rows], b) for i in range(0, len(a), rows)]
    np.testing.assert_array_equal(out, np.concatenate(blocks))


def test_a_long_vector_is_added_in_one_call_if_blas_has_one_thread():
    x, out, c = np.ones(79_510, np.float32), np.zeros(79_510, np.float32), np.array(0.5, np.float32)
    for threads in (1, 2):
        with limit_threads(threads):
            calls = Axpy([x, c], out).replays()
            assert len(calls) == 1 if threads == 1 or blas_info()["threads"] == 1 else len(calls) > 1
        for call in calls:
            call()
        np.testing.assert_array_equal(out, 0.5 * threads)


@pytest.mark.parametrize("threads", [True, False])
def test_a_result_with_gaps_in_rows_and_columns_is_left_to_numpy(threads):
    a, b, _ = arrays()
    assert products(a, b, np.zeros((100, 14), np.float32)[::2, ::2], threads=threads) == []
