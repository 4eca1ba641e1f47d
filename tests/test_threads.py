import os

import pytest

from backprop_cli.threads import blas_info, cgroup_cores, choose_threads, cores, limit_threads


def test_auto_uses_one_thread_for_small_layers_and_all_cores_for_large_ones():
    assert choose_threads("auto", 10 * 784 * 30) == 1
    assert choose_threads("auto", 128 * 784 * 800) == cores()
    assert choose_threads(3, 10 * 784 * 30) == 3


def test_the_thread_limit_applies_within_its_context():
    before = blas_info()["threads"]
    with limit_threads(1):
        assert blas_info()["threads"] == 1
    assert blas_info()["threads"] == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"SLURM_CPUS_PER_TASK": "1"}, 1),
        ({"SLURM_CPUS_ON_NODE": "1"}, 1),
        ({"SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "64"}, 1),
        ({"SLURM_CPUS_PER_TASK": "4096"}, None),
        ({"SLURM_CPUS_PER_TASK": "many"}, None),
    ],
    ids=str,
)
def test_a_job_of_slurm_has_the_cores_that_slurm_gave_it(monkeypatch, given, expected):
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    alone = cores()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cores() == (expected or alone)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this platform has no affinity")
def test_cores_are_those_of_the_affinity():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({"": "max 100000"}, []),
        ({"": "250000 100000"}, [3]),
        ({"job/step": "100000 100000", "job": "400000 100000"}, [1, 4]),
        ({"job/step": "nonsense"}, []),
        ({}, []),
    ],
    ids=str,
)
def test_the_quota_of_a_cgroup_limits_the_cores(tmp_path, quotas, expected):
    (tmp_path / "job" / "step").mkdir(parents=True)
    for group, quota in quotas.items():
        (tmp_path / group / "cpu.max").write_text(quota)
    (tmp_path / "membership").write_text("1:cpu:/else\n0::/job/step\n")
    assert list(cgroup_cores(tmp_path, tmp_path / "membership")) == expected


def test_without_cgroups_there_is_no_quota(tmp_path):
    assert list(cgroup_cores(tmp_path, tmp_path / "none")) == []
