import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from backprop_cli.cli.completion import keys_and_words
from backprop_cli.config.schema import KEYS
from backprop_cli.data.registry import DATASETS
from backprop_cli.nn.activations import ACTIVATIONS
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from tests.conftest import ROOT

SHELLS = ("bash", "zsh", "fish")


def ask(shell, line, cwd):
    """What a shell is told when the tab key is pressed at the end of a line, by type."""
    words = line.split(" ")
    last = words[-1] if shell == "fish" else str(len(words) - 1)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_BACKPROP_COMPLETE": f"{shell}_complete"}
    command = [sys.executable, "-c", "from backprop_cli.cli.main import main; main()"]
    env |= {"COMP_WORDS": line, "COMP_CWORD": last}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines() if done.stdout.strip() else []
    if shell == "zsh":
        return list(zip(lines[::3], lines[1::3], strict=True))
    return [tuple(line.split("\t")[0].split(",", 1)) for line in lines]


def words(shell, line, cwd):
    return [word for kind, word in ask(shell, line, cwd) if kind == "plain"]


@pytest.fixture
def runs(tmp_path):
    for name in ("mnist-001", "mnist-002", "wider"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text(json.dumps({"status": "finished"}))
    (tmp_path / "runs" / "no-run").mkdir()
    (tmp_path / "runs").rename(tmp_path / "others")
    shutil.copytree(tmp_path / "others", tmp_path / "runs")
    (tmp_path / "others" / "wider").rename(tmp_path / "others" / "narrower")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", ["eval", "resume", "runs show", "runs compare wider", "runs rm wider"])
def test_runs_are_completed_wherever_a_run_is_named(runs, shell, command):
    assert words(shell, f"backprop {command} mn", runs) == ["mnist-001", "mnist-002"]
    assert words(shell, f"backprop {command} ", runs) == ["mnist-001", "mnist-002", "wider", "@last"]


def test_runs_are_those_of_the_folder_that_is_given(runs):
    assert words("bash", "backprop eval --runs-dir others n", runs) == ["narrower"]


def test_where_no_run_fits_there_are_files(runs):
    assert ask("bash", "backprop eval ./che", runs)[0][0] == "file"
    assert ask("bash", "backprop train con", runs)[0][0] == "file"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", ["train c.yaml", "check c.yaml eta=3", "gradcheck c.yaml"])
def test_keys_are_completed_with_their_equals_sign(tmp_path, shell, command):
    assert words(shell, f"backprop {command} ep", tmp_path) == ["epochs="]
    assert words(shell, f"backprop {command} optimizer.m", tmp_path) == ["optimizer.mu="]
    plain = words(shell, f"backprop {command} ", tmp_path)
    assert plain == [f"{key}=" for key in KEYS]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_values_are_completed_after_the_equals_sign(tmp_path, shell):
    assert words(shell, "backprop train c.yaml activation=so", tmp_path) == [
        "activation=softplus",
        "activation=softmax",
    ]
    assert words(shell, "backprop train c.yaml diagnostics=", tmp_path) == ["diagnostics=true", "diagnostics=false"]
    assert words(shell, "backprop train c.yaml eta=", tmp_path) == []
    assert words(shell, "backprop runs list --where=status=d", tmp_path) == [
        "--where=status=diverged",
        "--where=status=dead",
    ]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("backprop train c.yaml activation = so", ["softplus", "softmax"]),
        ("backprop train c.yaml eta = 0.5 cost = q", ["quadratic"]),
        ("backprop train c.yaml activation =", list(ACTIVATIONS)),
        ("backprop train c.yaml eta = 0.5 act", ["activation="]),
        ("backprop train c.yaml eta=0.5 activation=so", ["activation=softplus", "activation=softmax"]),
        ("backprop runs list --where = status = fin", ["finished"]),
        ("backprop runs list --where status = fin", ["finished"]),
        ("backprop eval @ la", ["@last"]),
    ],
)
def test_bash_hears_of_what_follows_where_it_took_a_word_apart(runs, line, completed):
    assert words("bash", line, runs) == completed


@pytest.mark.parametrize("action", ["fetch", "verify", "path"])
def test_data_sets_and_templates_and_columns_are_completed(tmp_path, action):
    assert words("bash", f"backprop data {action} ", tmp_path) == list(DATASETS)
    assert words("bash", "backprop init --template mnist-", tmp_path) == ["mnist-best"]
    assert words("bash", "backprop runs list --sort val_a", tmp_path) == ["val_accuracy"]
    assert words("bash", "backprop comp", tmp_path) == ["completion"]


def test_the_options_of_a_key_are_those_of_all_that_it_may_be():
    kinds = {**OPTIMIZERS, **MINIMIZERS}.values()
    options = {"name", *(field.name for kind in kinds for field in fields(kind))}
    assert {key for key in keys_and_words() if key.startswith("optimizer.")} == {
        f"optimizer.{name}" for name in options
    }
    assert keys_and_words()["optimizer.name"] == [*OPTIMIZERS, *MINIMIZERS]
    assert {"lambda.l1", "early_stopping.monitor", "augment.shift", "cost.smoothing"} < set(keys_and_words())
    assert keys_and_words()["early_stopping.monitor"] == ["accuracy", "cost"]
    assert not any(key.startswith("layers.") for key in keys_and_words())


def test_completion_loads_nothing_heavy(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_BACKPROP_COMPLETE": "bash_complete"}
    env |= {"COMP_WORDS": "backprop train c.yaml activation=so", "COMP_CWORD": "3"}
    code = (
        "import sys\nfrom backprop_cli.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted({'numpy', 'requests', 'pydantic', 'yaml', 'tqdm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_its_shell_can_read(backprop, tmp_path, shell):
    script = backprop("completion", shell)
    assert script.code == 0
    assert f"_BACKPROP_COMPLETE={shell}_complete" in script.out
    (tmp_path / "script").write_text(script.out)
    if program := shutil.which(shell):
        subprocess.run([program, "-n", tmp_path / "script"], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_the_script(backprop, runs):
    (runs / "script").write_text(backprop("completion", "bash").out)
    Path(runs / "backprop").write_text(f"#!/bin/sh\nexec {sys.executable} -m backprop_cli\n")
    (runs / "backprop").chmod(0o755)
    press = """
        . ./script
        compopt() { echo compopt $*; }
        COMP_WORDS=(./backprop "$@") COMP_CWORD=$#
        _backprop_completion ./backprop
        printf '%s\n' "${COMPREPLY[@]}"
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def reply(*words):
        command = ["bash", "--norc", "-c", press, "bash", *words]
        return subprocess.run(command, cwd=runs, env=env, capture_output=True, text=True, check=True).stdout.split("\n")

    assert reply("train", "c.yaml", "activation", "=", "so") == ["softplus", "softmax", ""]
    assert reply("train", "c.yaml", "act") == ["compopt -o nospace", "activation=", ""]
    assert reply("train", "c") == ["compopt -o default", "", ""]
    assert reply("eval", "wi") == ["wider", ""]
