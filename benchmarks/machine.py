"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("backprop-cli", "numpy", "scipy", "torch", "jax", "optax", "scikit-learn")


def machine() -> dict[str, Any]:
    """Return the processor, the cores, the system, and the versions of Python, of the packages and of BLAS."""
    import scipy.linalg.blas  # noqa: F401  (so that its BLAS is listed)
    from threadpoolctl import threadpool_info

    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES if installed(name)},
        "blas": sorted({f"{p['internal_api']} {p['version']}" for p in threadpool_info() if p["user_api"] == "blas"}),
    }


def describe(facts: dict[str, Any]) -> str:
    """Return the machine as a line of Markdown."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}; Python {facts['python']}, {packages}; "
        f"{', '.join(facts['blas'])}. OPENBLAS_CORETYPE is unset; threads and cores are those of the workload."
    )


def processor() -> str:
    """Return the processor's name, as far as the platform tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def installed(package: str) -> bool:
    """Whether a package is installed."""
    try:
        version({"sklearn": "scikit-learn"}.get(package, package))
    except PackageNotFoundError:
        return False
    return True
