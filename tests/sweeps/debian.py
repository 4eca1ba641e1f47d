"""Programs of Debian packages, unpacked into a folder: nothing is installed and no privileges are needed."""

import os
import shutil
import subprocess

import pytest


def unpack(folder, *packages):
    """Download packages and unpack them; return the folder that holds usr/. Skips the test if that is impossible."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("needs apt-get and dpkg-deb to unpack Debian packages")
    got = subprocess.run(["apt-get", "download", *packages], cwd=folder, capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.skip(f"apt-get download {' '.join(packages)}: {got.stderr.strip().splitlines()[-1]}")
    root = folder / "root"
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    return root


def environment(root):
    """The environment in which the programs find each other and their libraries."""
    libraries = next((root / "usr/lib").glob("*-linux-gnu"), root)
    paths = {"PATH": [root / "usr/bin", root / "usr/sbin"], "LD_LIBRARY_PATH": [libraries, libraries / "slurm-wlm"]}
    return {
        name: os.pathsep.join([*map(str, first), *filter(None, [os.environ.get(name)])])
        for name, first in paths.items()
    }
