from backprop_cli.training.threads import blas_info, choose_threads, cores, limit_threads


def test_auto_takes_one_thread_for_small_layers_and_every_core_for_large_ones():
    assert choose_threads("auto", (784, 30, 10), 10) == 1
    assert choose_threads("auto", (784, 800, 800, 10), 128) == cores()
    assert choose_threads(3, (784, 30, 10), 10) == 3


def test_the_limit_holds_within_its_context():
    before = blas_info()["threads"]
    with limit_threads(1):
        assert blas_info()["threads"] == 1
    assert blas_info()["threads"] == before
