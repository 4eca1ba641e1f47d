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


def first_commands(readme: Path) -> list[str]:
    """The commands of the first console block of the README."""
    block = readme.read_text(encoding="utf-8").partition("```console\n")[2].partition("\n```")[0]
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def test_an_installed_wheel_runs_the_first_commands_of_the_readme_outside_the_checkout(wheel, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PATH"] = f"{tmp_path / 'venv' / 'bin'}:{environment['PATH']}"

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(word) for word in words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    assert run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv").returncode == 0
    pip = (sys.executable, "-m", "pip", "--python", tmp_path / "venv" / "bin" / "python", "install", "-q")
    done = run(*pip, "--no-compile", f"{wheel}[plot]")
    if done.returncode and run(*pip, "--retries", "0", "--timeout", "10", "click").returncode:
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr
    commands = [*first_commands(ROOT / "README.md"), "backprop train xor epochs=10", "backprop check published/07"]
    assert any(command.startswith("backprop train") for command in commands)
    for command in (*commands, "backprop init", "backprop check digits.yaml"):
        done = run("sh", "-c", command)
        assert done.returncode == 0, (command, done.stderr)
    assert (folder / "runs" / "digits-001" / "checkpoints" / "best.npz").exists()
    assert (folder / "backprop.schema.json").read_text() == (ROOT / "configs" / "backprop.schema.json").read_text()
