import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from dataclasses import fields

import pytest

from backprop_cli.cli.completion import keys_and_words
from backprop_cli.experiment.keys import KEYS
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from backprop_cli.sources.registry import DATASETS
from tests.conftest import ROOT

SHELLS = ("bash", "zsh", "fish")


def ask(shell, line, cwd):
    """The (type, word) pairs that a shell receives when the tab key is pressed at the end of a line."""
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


def completions(shell, line, cwd):
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
def test_runs_are_completed_in_all_commands_that_take_runs(runs, shell, command):
    assert completions(shell, f"backprop {command} mn", runs) == ["mnist-001", "mnist-002"]
    assert completions(shell, f"backprop {command} ", runs) == ["mnist-001", "mnist-002", "wider", "@last"]


def test_runs_are_read_from_the_given_folder(runs):
    assert completions("bash", "backprop eval --runs-dir others n", runs) == ["narrower"]


def test_files_are_offered_when_no_run_matches(runs):
    assert ask("bash", "backprop eval ./che", runs)[0][0] == "file"
    assert ask("bash", "backprop train con", runs)[0][0] == "file"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", ["train c.yaml", "check c.yaml eta=3", "gradcheck c.yaml"])
def test_keys_are_completed_with_their_equals_sign(tmp_path, shell, command):
    assert completions(shell, f"backprop {command} ep", tmp_path) == ["epochs="]
    assert completions(shell, f"backprop {command} optimizer.m", tmp_path) == ["optimizer.mu="]
    plain = completions(shell, f"backprop {command} ", tmp_path)
    assert plain == [f"{key}=" for key in KEYS]


@pytest.mark.parametrize("shell", SHELLS)
def test_values_are_completed_after_the_equals_sign(tmp_path, shell):
    assert completions(shell, "backprop train c.yaml activation=so", tmp_path) == [
        "activation=softplus",
        "activation=softmax",
    ]
    assert completions(shell, "backprop train c.yaml diagnostics=", tmp_path) == [
        "diagnostics=true",
        "diagnostics=false",
    ]
    assert completions(shell, "backprop train c.yaml eta=", tmp_path) == []
    assert completions(shell, "backprop runs list --where status=d", tmp_path) == ["status=diverged", "status=dead"]


@pytest.mark.parametrize("shell", SHELLS)
def test_only_the_options_of_the_chosen_object_are_completed(tmp_path, shell):
    line = "backprop train c.yaml optimizer=adam optimizer."
    options = {f"optimizer.{name}=" for name in ("name", "beta1", "beta2", "eps")}
    assert set(completions(shell, line, tmp_path)) == options
    line = "backprop train c.yaml optimizer.name=momentum optimizer."
    assert completions(shell, line, tmp_path) == [
        f"optimizer.{option}=" for option in ("name", "mu", "first", "epochs", "change")
    ]
    assert "cost.width=" in completions(shell, "backprop train c.yaml optimizer=adam cost.", tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_shipped_configs_are_completed_unless_files_match(tmp_path, shell):
    assert {"digits", "mnist", "xor"} <= set(completions(shell, "backprop train ", tmp_path))
    assert completions(shell, "backprop check classics/x", tmp_path) == ["classics/xor"]
    (tmp_path / "mine.yaml").touch()
    assert completions(shell, "backprop train ", tmp_path)[0] == "mine.yaml"
    assert [kind for kind, _ in ask(shell, "backprop train mi", tmp_path)] == ["file"]


@pytest.mark.parametrize("action", ["fetch", "verify", "path", "show"])
def test_data_sets_and_templates_and_columns_are_completed(tmp_path, action):
    assert completions("bash", f"backprop data {action} ", tmp_path) == list(DATASETS)
    assert completions("bash", "backprop init --template mnist-", tmp_path) == ["mnist-best", "mnist-conv"]
    assert completions("bash", "backprop runs list --sort val_a", tmp_path) == ["val_accuracy"]
    assert completions("bash", "backprop comp", tmp_path) == ["completion"]


def test_options_of_a_key_are_those_of_all_its_alternatives():
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


@pytest.fixture
def shell_folder(backprop, runs):
    """The folder of the runs, with the scripts of the shells and a `backprop` that prints its arguments."""
    for shell in SHELLS:
        (runs / f"script.{shell}").write_text(backprop("completion", shell).out)
    (runs / "bin").mkdir()
    (runs / "bin/backprop").write_text(
        '#!/bin/sh\nif [ -z "$_BACKPROP_COMPLETE" ]; then printf "<%s>" "$@"; echo END; exit; fi\n'
        f"exec {sys.executable} -c 'from backprop_cli.cli.main import main; main()'\n"
    )
    (runs / "bin/backprop").chmod(0o755)
    return runs


START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ". ./script.bash"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit && compinit -u -D && . ./script.zsh"),
}


def arguments_after_tab(shell, folder, line):
    """The arguments of `backprop` when the tab key, then X, then return are pressed at the end of a line."""
    command, setup = START[shell]
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (40, 200))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}/bin:{os.environ['PATH']}", "TERM": "dumb"}
    env |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    process = subprocess.Popen(
        command, stdin=other, stdout=other, stderr=other, cwd=folder, env=env, start_new_session=True
    )
    os.close(other)
    os.write(main, f"{setup}\n{line}\tX\nexit\n".encode())
    shown = b""
    with os.fdopen(main, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(1 << 16):
                shown += part
        except OSError:  # how a terminal ends on Linux
            pass
    process.wait(10)
    found = re.findall(r"(<[^\n]*>)END", shown.decode())
    assert found, shown.decode()
    return re.findall("<(.*?)>", found[-1])


LINES = {
    "backprop comp": ["completion"],
    "backprop train c.yaml dtype=float3": ["train", "c.yaml", "dtype=float32"],
    "backprop train c.yaml eta=0.5 diag": ["train", "c.yaml", "eta=0.5", "diagnostics="],
    "backprop check 'c d.yaml' 'optimizer={name: adam}' cost=q": (
        ["check", "c d.yaml", "optimizer={name: adam}", "cost=quadratic"]
    ),
    "backprop runs list --where status=fin": ["runs", "list", "--where", "status=finished"],
    "backprop eval @l": ["eval", "@last"],
    "backprop eval wi": ["eval", "wider"],
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("shell", START)
def test_the_tab_key_completes_words_in_a_real_shell(shell_folder, shell, line):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    *words, last = LINES[line]
    expected = [*words, f"{last}X"] if last.endswith("=") else [*words, last, "X"]
    assert arguments_after_tab(shell, shell_folder, line) == expected


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize("line", LINES)
def test_fish_completes_the_same_words(shell_folder, line):
    command = ["fish", "--no-config", "-c", f'source script.fish; complete -C "{line}"']
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{shell_folder}/bin:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=shell_folder, env=env, capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == LINES[line][-1:]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_an_option_with_an_equals_sign(shell_folder):
    line = "backprop runs list --where=status=fin"
    assert arguments_after_tab("bash", shell_folder, line) == ["runs", "list", "--where=status=finished", "X"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("key", ["target", "dataset.target", "dataset.group"])
def test_columns_of_a_table_are_completed(tmp_path, shell, key):
    (tmp_path / "churn.csv").write_text("tenure,type,churned\n1,a,yes\n")
    assert completions(shell, f"backprop train churn.csv {key}=t", tmp_path) == [f"{key}=tenure", f"{key}=type"]
    (tmp_path / "bad.csv").write_bytes(b"\0")
    assert completions(shell, f"backprop train bad.csv {key}=t", tmp_path) == []


def test_data_in_this_folder_are_completed_as_configs(tmp_path):
    for name in ("mine.yaml", "churn.csv", "x.npy", "notes.txt"):
        (tmp_path / name).touch()
    assert completions("bash", "backprop train ", tmp_path)[:3] == ["churn.csv", "mine.yaml", "x.npy"]
