import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_contains_the_package_its_types_configs_and_schema(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "backprop_cli").rglob("*.py")}
    configs = {f"backprop_cli/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert sources | configs <= names
    assert {"backprop_cli/py.typed", "backprop_cli/configs/backprop.schema.json"} <= names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"backprop_cli"}


def test_the_metadata_name_the_version_licence_and_extras(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = file.read(name).decode().splitlines()
    from backprop_cli import __version__

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {f"Version: {__version__}", "License-Expression: MIT", "License-File: LICENSE"} <= set(metadata)
    assert {f"Provides-Extra: {extra}" for extra in extras} <= set(metadata)


def test_the_changelog_and_the_citation_name_the_version():
    from backprop_cli import __version__

    assert f"\n## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.long
def test_an_installed_wheel_works_outside_the_checkout(wheel, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*words: object) -> str:
        done = subprocess.run(
            [str(word) for word in words], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(python, "-m", "pip", "install", "-q", wheel)
    backprop = tmp_path / "venv" / "bin" / "backprop"
    assert run(backprop, "init", "-q")
    assert (tmp_path / "backprop.schema.json").read_text() == (ROOT / "configs" / "backprop.schema.json").read_text()
    run(backprop, "train", "digits.yaml", "epochs=2", "-q")
    assert (tmp_path / "runs" / "digits-001" / "checkpoints" / "best.npz").exists()
