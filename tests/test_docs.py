import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import console
import generate_docs
import pytest
import run_notebooks

from backprop_cli.cli.main import cli
from backprop_cli.experiment.schema import Experiment
from tests.conftest import ROOT

DOCUMENTS = pytest.mark.parametrize(
    "path", generate_docs.DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in generate_docs.DOCUMENTS]
)


@DOCUMENTS
def test_generated_parts_and_output_of_commands_are_up_to_date(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    assert generate_docs.filled(text, path) == text, "run: python scripts/generate_docs.py"
    executed = console.execute(text, tmp_path)
    assert not executed.stale, "run: python scripts/generate_docs.py\n" + "\n".join(executed.stale)
    if executed.skipped:
        pytest.skip(f"not run without the MNIST files in {console.MNIST}: {', '.join(executed.skipped)}")


@DOCUMENTS
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_every_picture_is_shown_and_is_written_by_a_command_of_a_document():
    text = "\n".join(path.read_text(encoding="utf-8") for path in generate_docs.DOCUMENTS)
    for image in (ROOT / "docs" / "images").glob("*.png"):
        assert f"images/{image.name})" in text
        pages = f"-o {image.stem}.html" in text or image.name == "report.png"  # which are photographed
        assert f"-o {image.name}" in text or pages


def test_the_gate_runs_the_test_command_of_the_readme():
    (command,) = re.findall(r"<!-- setup: test -->\n```sh\n(.*)\n```", (ROOT / "README.md").read_text())
    assert command.endswith("-m pytest -n auto")
    assert "setup: test" in (ROOT / ".ci" / "run").read_text()


def test_the_readme_is_a_landing_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def commands(text):
    """Yield the words of each `backprop` command in the sh and console blocks of a document."""
    for kind, block in re.findall(r"^ *```(sh|console)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        lines = block.replace("\\\n", " ").splitlines()
        if kind == "console":
            lines = [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ ")]
        for line in lines:
            for command in re.findall(
                r"(?<![\w./'=])backprop ((?:'[^']*'|(?!\$\()[^|>;)'])*)", re.sub(r"(^| )#.*", "", line)
            ):
                yield shlex.split(command, posix=True)


@DOCUMENTS
def test_commands_in_the_documents_exist_with_their_options_and_keys(path):
    keys = {field.alias or name for name, field in Experiment.model_fields.items()} | {"target"}  # of the data set
    in_tables = re.findall(r"^\|.*\| `(backprop .*?)` \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    found = [*commands(path.read_text(encoding="utf-8")), *(shlex.split(row)[1:] for row in in_tables)]
    for words in found:
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
                key = word.partition("=")[0].partition(".")[0]
                given = command.name == "trace" and re.fullmatch(r"x|y|[Wb]\d", key)  # of an example
                assert key in keys or given or word in {"epoch=3"}, words  # the latter shows an error


COURSE = generate_docs.ROOT / "docs" / "learn" / "course.md"
QUICK = {"epochs": "1", "train_size": "200", "evaluate_every": "1"}


@pytest.mark.parametrize(
    ("chapter", "rows"),
    re.findall(r"^##+ (.*)\n\n((?:\|.*\n)+)", COURSE.read_text(encoding="utf-8"), re.MULTILINE),
    ids=lambda part: part.partition(":")[0] if "|" not in part else "",
)
def test_every_command_of_the_course_map_runs_and_mnist_for_one_epoch(chapter, rows, backprop, tmp_path, request):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for row in re.findall(r"^\|.*\| `backprop (.*?)` \|$", rows, re.MULTILINE):
        command, *words = shlex.split(row)
        if any(name in row for name in ("mnist", "published")):
            if command == "train":
                words = [word for word in words if word.partition("=")[0] not in QUICK]
                words += [f"{key}={value}" for key, value in QUICK.items()]
            words += ["--data-dir", str(request.getfixturevalue("mnist_cache"))]
        result = backprop(command, *words)
        assert result.code == 0, (row, result.err)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_the_site_builds_without_a_warning_and_its_pages_load_nothing_from_elsewhere(site):
    pages = [page.read_text(encoding="utf-8") for page in site.glob("**/*.html")]
    assert len(pages) > 25
    for page in pages:  # everything that a browser loads by itself is part of the site
        assert not re.findall(
            r"<(?:script|img|iframe)[^>]* src=\"?(?:https?:)?//|<link[^>]* href=\"?(?:https?:)?//", page
        )


def test_equations_are_typeset(site):
    for page in ("equations.html", "learn/derivation.html", "learn/exercises.html"):
        text = (site / page).read_text(encoding="utf-8")
        assert text.count('class="arithmatex"><math') == text.count('class="arithmatex">') > 20


TERMS = """
    back-propagation, backpropagation, overfitting, underfitting, vanishing gradient, regularization, weight
    decay, loss, loss function, generalization, hyperparameter, training set, validation set, test set, chain
    rule, derivation, saturation, learning slowdown, normalization, standardization, epoch, mini-batch,
    learning rate, momentum, dropout, early stopping, cross-entropy, softmax, sigmoid, one-hot, perceptron,
    delta rule, linearly separable, initialization, exercise, lesson, notebook, glossary, python api,
    confusion matrix, gradient check, universal approximation, row convention
"""


@pytest.mark.parametrize("term", [" ".join(term.split()) for term in TERMS.split(",")])
def test_the_search_finds_the_terms_of_the_field(site, term):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert [entry["location"] for entry in index["docs"] if term in f"{entry['title']} {entry['text']}".lower()]


def test_the_examples_of_the_python_api_run_and_print_what_their_comments_say(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    namespace: dict[str, object] = {}
    compared = 0
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), namespace)
        printed = capsys.readouterr().out.splitlines()
        shown = re.findall(r"^ *print\(.*\)(?:  |\n)# (.*)$", block, re.MULTILINE)
        if shown:
            assert printed == shown
        compared += len(shown)
    assert compared > 8


@pytest.mark.parametrize("path", run_notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_print_what_they_show(path):
    shown, printed = (run_notebooks.text_of(found(path)) for found in (run_notebooks.read, run_notebooks.executed))
    assert console.matches(shown, printed), "run: python scripts/run_notebooks.py"


SHOWN = ["training 2-1 on and, in runs/and-001", "…", "test accuracy 97.00% (291 of 300), cost 0.101", "done  0.22 s"]
PRINTED = [
    "training 2-1 on and, in runs/and-001",
    "epoch 1/2",
    "epoch 2/2",
    "test accuracy 96.33% (289 of 300), cost 0.1",
    "done  14 ms",
]


def test_output_matches_around_a_gap_and_apart_from_times_and_last_digits():
    assert console.matches(SHOWN, PRINTED)
    assert console.matches(["in …/mnist"], ["in /home/me/mnist"])


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (0, "trained 2-1 on and, in runs/and-001"),
        (3, "test accuracy 90.00% (270 of 300), cost 0.1"),
        (3, "test accuracy 96.33% (289), cost 0.1"),
        (4, "done"),
    ],
    ids=["a word", "a percentage", "a number that is missing", "a time that is missing"],
)
def test_output_is_out_of_date_if_anything_else_differs(line, wrong):
    assert not console.matches(SHOWN, [*PRINTED[:line], wrong, *PRINTED[line + 1 :]])


def test_a_line_too_many_or_too_few_is_out_of_date():
    assert not console.matches(["a", "b"], ["a", "b", "c"])
    assert not console.matches(["a", "b"], ["a"])
    assert not console.matches(["a", "…", "b", "c"], ["a", "c"])


def test_an_update_keeps_the_gaps_and_the_lines_that_differ_only_in_times():
    assert console.updated(SHOWN, PRINTED) == [SHOWN[0], "…", PRINTED[3], SHOWN[3]]
    assert console.updated(["…", "epoch 1/1", "…"], PRINTED) == ["…", "epoch 1/2", "…"]


def test_a_document_is_executed_from_top_to_bottom_in_one_folder(tmp_path):
    text = (
        "<!-- file: words.txt -->\n```yaml\none\n```\n\n<!-- run: echo two >> words.txt -->\n\n"
        "<!-- run -->\n```sh\necho three >> words.txt\n```\n\n```sh\nfalse\n```\n\n"
        "<!-- slow -->\n```console\n$ false\n```\n\n<!-- not run -->\n```console\n$ false\nleft alone\n```\n\n"
        "```console\n$ cat words.txt\nold\n$ echo err >&2\n```\n\n:   term\n\n    ```console\n    $ echo in\n    ```\n"
    )
    executed = console.execute(text, tmp_path)
    assert "$ cat words.txt\none\ntwo\nthree\n$ echo err >&2\nerr\n```" in executed.text
    assert "    $ echo in\n    in\n    ```" in executed.text
    assert "$ false\nleft alone" in executed.text
    assert [stale.splitlines()[0] for stale in executed.stale] == ["$ cat words.txt", "$ echo err >&2", "$ echo in"]
