"""Which room may import which: the table of the design, read off the source."""

import ast

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "backprop_cli"
MAY_IMPORT = {
    "errors": "",
    "files": "",
    "text": "",
    "threads": "",
    "scipy_parts": "",
    "nn": "errors",
    "objectives": "nn",
    "boltzmann": "errors nn objectives",
    "optim": "nn",
    "image_layers": "nn objectives",
    "engine": "threads scipy_parts nn objectives",
    "formats": "errors files",
    "tables": "errors files",
    "data": "errors files text tables",
    "density": "errors data",
    "sources": "errors files text formats tables data",
    "experiment": "nn objectives boltzmann optim data density sources",
    "config": "errors nn objectives boltzmann optim tables data sources experiment",
    "training": "errors threads nn objectives optim image_layers engine data",
    "advice": "errors text nn objectives optim experiment training",
    "runs": "errors files threads scipy_parts nn objectives optim data density sources experiment config training "
    "advice",
    "listing": "errors text config runs",
    "inputs": "errors formats tables data sources",
    "results": "errors files text nn boltzmann data density sources experiment config training advice runs listing "
    "inputs",
    "drawing": "errors training",
    "plots": "errors text nn formats data training listing results drawing",
    "terminal": "errors files text formats data config training advice drawing plots",
    "exporting": "errors files nn tables data experiment runs results",
    "explain": "errors text nn objectives boltzmann data sources experiment config training advice runs",
    "search": "errors experiment config listing",
    "sweeps": "errors files text threads data experiment config training runs listing results search",
    "report": "errors text listing results drawing plots search sweeps",
    "fitting": "errors threads nn objectives optim data training",
    "sklearn": "objectives optim training fitting",
    "api": "errors nn data experiment config training advice runs results exporting",
    "cross_validation": "experiment config results api",
    "generative": "nn results api",
    "tracing": "experiment config runs results explain api",
    "cli": "errors files text threads objectives data sources experiment config advice runs listing results plots "
    "terminal exporting explain sweeps report",
    "__main__": "cli",
    "__init__": "results explain sweeps fitting api cross_validation generative tracing",
}
EVERYWHERE = ["frozen"]
PURE = {room: {"numpy", "annotated_types"} for room in ("nn", "objectives", "boltzmann", "optim")}
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
            assert rest[0] in EVERYWHERE + MAY_IMPORT[room].split(), f"{room} imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in PURE], ids=lambda path: path.name)
def test_the_mathematics_uses_no_files_clock_or_console(path):
    for module in imports(path):
        top = module.split(".")[0]
        assert top in {"backprop_cli", *STDLIB_OF_PURE, *PURE[room_of(path)]}, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_have_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "frozen.py"], ids=lambda path: path.name)
def test_immutable_objects_are_made_by_frozen(path):
    assert "@dataclass(frozen=True)" not in path.read_text(encoding="utf-8"), "200 of these take 50 ms at each start"


def test_randomness_comes_from_generators_that_are_passed_in():
    for path in FILES:
        assert "np.random.seed" not in path.read_text(encoding="utf-8")
        assert "np.random.RandomState" not in path.read_text(encoding="utf-8")
