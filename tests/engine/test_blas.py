import numpy as np
import pytest

from backprop_cli.engine.blas import gemm, products


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


def test_products_that_blas_cannot_do_in_place_are_declined():
    a, b, out = arrays()
    assert gemm(a, b, np.empty((100, 14), "float32")[::2, ::2]) is None
    assert gemm(a[:, ::2], b[::2], out) is None
    assert gemm(a.astype("float64"), b, out) is None
    assert gemm(a.astype("float16"), b.astype("float16"), out.astype("float16")) is None
