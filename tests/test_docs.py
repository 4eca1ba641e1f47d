import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys

import click
import pytest

from backprop_cli.cli.main import cli
from backprop_cli.config.schema import Experiment
from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
assert spec is not None
assert spec.loader is not None
generate_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate_docs)


@pytest.mark.parametrize("path", generate_docs.DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_up_to_date(path):
    text = path.read_text(encoding="utf-8")
    assert generate_docs.filled(text, path) == text, "run: python scripts/generate_docs.py"


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


def commands(text):
    """Yield the words of each `backprop` command in the sh and console blocks of a document."""
    for kind, block in re.findall(r"^ *```(sh|console)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        lines = block.replace("\\\n", " ").splitlines()
        if kind == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in lines:
            for command in re.findall(r"(?<![\w./'=])backprop ((?:(?!\$\()[^|>;)])*)", re.sub(r"(^| )#.*", "", line)):
                yield shlex.split(command.rstrip("'"), posix=True)


@pytest.mark.parametrize("path", generate_docs.DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_the_documents_exist_with_their_options_and_keys(path):
    keys = {field.alias or name for name, field in Experiment.model_fields.items()}
    for words in commands(path.read_text(encoding="utf-8")):
        command, rest = cli, words
        while isinstance(command, click.Group):
            name, *rest = rest
            command = command.get_command(click.Context(command), name)
            assert command is not None, words
        options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
        for word in rest:
            if word.startswith("-") and word != "-":
                assert word in options or word.startswith("-val_"), words  # the latter are columns to sort by
            elif "=" in word and not word.startswith("$") and command.name in {"train", "check", "trace", "gradcheck"}:
                assert word.partition("=")[0].partition(".")[0] in keys, words


def test_the_site_builds_without_a_warning_or_a_dead_link(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    pages = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").glob("**/*.html")]
    assert len(pages) > 25
    for page in pages:  # whatever a browser would fetch by itself comes with the site
        assert not re.findall(
            r"<(?:script|img|iframe)[^>]* src=\"?(?:https?:)?//|<link[^>]* href=\"?(?:https?:)?//", page
        )
