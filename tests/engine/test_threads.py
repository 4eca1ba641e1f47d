from backprop_cli.engine.threads import blas_info, choose_threads, cores, limit_threads


def test_auto_uses_one_thread_for_small_layers_and_all_cores_for_large_ones():
    assert choose_threads("auto", 10 * 784 * 30) == 1
    assert choose_threads("auto", 128 * 784 * 800) == cores()
    assert choose_threads(3, 10 * 784 * 30) == 3


def test_the_thread_limit_applies_within_its_context():
    before = blas_info()["threads"]
    with limit_threads(1):
        assert blas_info()["threads"] == 1
    assert blas_info()["threads"] == before
