import importlib.util
import inspect
import re

import pytest

from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
assert spec is not None
assert spec.loader is not None
generate_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate_docs)


@pytest.mark.parametrize("path", generate_docs.DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_up_to_date(path):
    text = path.read_text(encoding="utf-8")
    assert generate_docs.filled(text) == text, "run: python scripts/generate_docs.py"


@pytest.mark.parametrize(("name", "formula", "function"), generate_docs.EQUATIONS)
def test_each_equation_is_where_the_readme_says_it_is(name, formula, function):
    assert name in inspect.getsource(function)


@pytest.mark.parametrize("path", generate_docs.DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_gate_runs_the_test_command_of_the_readme():
    (command,) = re.findall(r"<!-- setup: test -->\n```sh\n(.*)\n```", (ROOT / "README.md").read_text())
    assert command.endswith("-m pytest")
    assert "setup: test" in (ROOT / ".ci" / "run").read_text()
