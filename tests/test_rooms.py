"""Which room may import which: the table of the design, read off the source."""

import ast

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "backprop_cli"
MAY_IMPORT = {
    "errors": "",
    "files": "",
    "text": "",
    "nn": "errors",
    "optim": "errors nn",
    "engine": "nn",
    "tables": "errors files",
    "data": "errors files text tables",
    "sources": "errors files text tables data",
    "experiment": "errors nn optim data sources",
    "config": "experiment errors nn optim tables data sources",
    "training": "errors nn optim engine data",
    "advice": "errors text nn optim data experiment config training",
    "runs": "errors files text nn optim engine data sources experiment config training advice",
    "listing": "errors text config runs",
    "inputs": "errors data sources tables",
    "results": "errors files text nn data sources experiment config training advice runs listing inputs",
    "drawing": "errors text nn training",
    "plots": "errors text nn data training runs listing results drawing",
    "terminal": "errors files text data config training advice drawing plots",
    "report": "errors text runs listing results drawing plots",
    "exporting": "errors files nn tables data runs results",
    "explain": "errors text nn optim data sources experiment config training advice runs",
    "search": "errors experiment config listing results",
    "sweeps": "errors files text engine data experiment config training advice runs listing results search",
    "fitting": "errors nn optim engine data training",
    "sklearn": "fitting nn optim training",
    "api": "errors nn data experiment config training advice runs listing inputs results exporting",
    "cross_validation": "api experiment config listing results",
    "tracing": "api experiment config explain runs listing results",
    "cli": "errors files text nn optim engine data experiment config training runs listing results sources terminal "
    "drawing plots report advice exporting explain sweeps api",
    "__main__": "cli",
    "__init__": "api cross_validation explain fitting results sweeps tracing",
}
PURE = {"nn": {"numpy", "annotated_types"}, "optim": {"numpy", "annotated_types"}}
STDLIB_OF_PURE = {"__future__", "collections", "dataclasses", "functools", "itertools", "math", "typing"}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = room_of(path)
    for module in imports(path):
        top, *rest = module.split(".")
        if top == "backprop_cli" and rest and rest[0] != room:
            assert rest[0] in MAY_IMPORT[room].split(), f"{room} imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in PURE], ids=lambda path: path.name)
def test_nn_and_optim_use_no_files_clock_or_console(path):
    for module in imports(path):
        top = module.split(".")[0]
        assert top in {"backprop_cli", *STDLIB_OF_PURE, *PURE[room_of(path)]}, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_have_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_randomness_comes_from_generators_that_are_passed_in():
    for path in FILES:
        assert "np.random.seed" not in path.read_text(encoding="utf-8")
        assert "np.random.RandomState" not in path.read_text(encoding="utf-8")
