"""Pipes, full disks, closed descriptors, other locales, strange names: no traceback, and training continues."""

import json
import os
import signal
import subprocess
import sys

import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.conftest import ROOT
from tests.reliability.conftest import fault

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
BACKPROP = f"{sys.executable} -m backprop_cli"


def shell(tmp_path, command, **env):
    """Run a line of bash; return its code and what it wrote, its stderr as bytes."""
    words = ["bash", "-c", f"set -o pipefail; {command.replace('backprop', BACKPROP, 1)}"]
    return subprocess.run(words, cwd=tmp_path, env={**ENV, **env}, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("backprop schema | head -1", 0),
        ("backprop schema > /dev/full", 1),
        ("backprop --help > /dev/full", 1),
        ("backprop schema >&-", 1),
        ("backprop schema <&-", 0),
        ("backprop check none.yaml 2>&-", 2),
        ("LC_ALL=C backprop check tiny.yaml η=0.5", 0),
        ("PYTHONIOENCODING=ascii backprop schema", 0),
        ("PYTHONIOENCODING=latin-1 backprop check tiny.yaml η=no", 2),
    ],
)
def test_redirections_and_locales_cause_no_traceback(tiny, tmp_path, command, code):
    done = shell(tmp_path, command)
    assert done.returncode == code, done
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert b"This is a bug" not in done.stderr


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])  # tests/cli loses stderr
def test_training_continues_without_stdout(tiny, tmp_path, redirection):
    done = shell(tmp_path, f"backprop train tiny.yaml --name run {redirection}")
    assert b"Traceback" not in done.stderr
    assert json.loads((tmp_path / "runs/run/run.json").read_text())["status"] == "finished"
    assert read_checkpoint(tmp_path / "runs/run/checkpoints/last.npz").meta.status.epoch == 3


@pytest.mark.parametrize("first", [5, 19, 33])
def test_messages_for_a_closed_stderr_are_not_written_to_a_file(forks, tiny, tmp_path, first):
    """Its descriptor would be that of a file of the run, which is being written to when the signal comes."""
    at = fault(first, number=signal.SIGINT, calls="write")
    done = forks("train", "tiny.yaml", "--name", "run", "epochs=20", cwd=tmp_path, fault=at, closed=(0, 2))
    assert (done.code, done.fired) == (130, 1)
    assert json.loads((tmp_path / "runs/run/run.json").read_text())["status"] == "interrupted"
    for path in (tmp_path / "runs/run").rglob("*"):
        assert path.is_dir() or b"stopping" not in path.read_bytes()
    read_checkpoint(tmp_path / "runs/run/checkpoints/last.npz")


@pytest.mark.parametrize("name", ["größe η", "caf\udce9", "quo'te\"s\nnew"])
def test_folders_may_have_any_name(forks, tmp_path, tiny, name):
    folder = tmp_path / name
    folder.mkdir()
    tiny.rename(folder / f"{name}.yaml")
    done = forks("train", folder / f"{name}.yaml", "--runs-dir", folder, "--name", "run", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert os.path.samefile(result["run"], folder / "run")
    assert forks("resume", folder / "run", "--epochs", 4, cwd=tmp_path).code == 0
    assert forks("eval", folder / "run", cwd=tmp_path).code == 0
    assert str(folder / f"{name}.yaml") in json.loads((folder / "run/run.json").read_text())["argv"]


INTERRUPTED = """
import os, sys

module, number = sys.argv.pop(1), int(sys.argv.pop(1))

def interrupt(event, words):
    if event == "import" and words[0] == module:
        os.kill(os.getpid(), number)

sys.addaudithook(interrupt)
from backprop_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "number", "code"),
    [("click", signal.SIGINT, 130), ("numpy", signal.SIGTERM, 143), ("backprop_cli.runs.session", signal.SIGINT, 130)],
)
def test_a_signal_during_imports_is_a_one_line_error(tiny, tmp_path, module, number, code):
    words = [sys.executable, "-c", INTERRUPTED, module, str(int(number)), "train", str(tiny)]
    done = subprocess.run(words, cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "error: interrupted\n")


WATCHED = """
import pkgutil, sys
import backprop_cli

def watch(event, words):
    if event.startswith(told):
        seen.append(f"{event} {words}")

seen = []
told = ("socket.connect", "socket.getaddrinfo", "socket.send", "urllib.", "pickle.")
told += ("os.system", "os.exec", "os.posix_spawn", "subprocess.")
sys.addaudithook(watch)
for module in pkgutil.walk_packages(backprop_cli.__path__, "backprop_cli."):
    __import__(module.name)
from backprop_cli.cli.main import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as end:
        assert not end.code, line
usual = ("uname", "lscpu", "ldconfig")  # what Python and NumPy ask about the machine
print([line for line in seen if not any(word in line for word in usual)], file=sys.stderr)
"""


def test_no_network_access_and_no_code_from_files(tiny, tmp_path):
    """Import every module, ask for help, train, resume and evaluate, with the interpreter telling what is done."""
    lines = ["--help", "train --help", "data fetch --help", "train tiny.yaml --name run -q"]
    lines += ["resume run --epochs 4 -q", "eval run -q", "gradcheck tiny.yaml --samples 1 -q", "check tiny.yaml -q"]
    words = [sys.executable, "-c", WATCHED, *lines]
    done = subprocess.run(words, cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


def test_without_asserts_and_docstrings_the_commands_do_the_same(tiny, tmp_path):
    done = [
        shell(tmp_path, f"backprop {words}", PYTHONOPTIMIZE="2")
        for words in ("train tiny.yaml --name run -q", "resume run --epochs 4 -q", "eval run", "train --help", "schema")
    ]
    assert [(one.returncode, one.stderr) for one in done] == [(0, b"")] * 5
    for one, words in zip(done[2:], ("eval run", "train --help", "schema"), strict=True):
        assert len(one.stdout) > 0.5 * len(shell(tmp_path, f"backprop {words}").stdout)


def test_a_line_break_in_a_file_name_does_not_look_like_another_message(backprop, tiny, tmp_path):
    backprop("train", tiny, "--name", "run", "-q")
    name = "x\nerror: fake.csv"
    (tmp_path / name).write_text("1,2\n" + ",".join(["0.5"] * 64) + "\n")
    done = backprop("predict", "run", name, "y\nz.csv")
    assert done.err.splitlines() == [
        "error: x\\nerror: fake.csv:1: a row of 2, expected 64 numbers (8 x 8 pixels)",
        "error: y\\nz.csv: No such file or directory",
    ]
    assert len(done.out.splitlines()) == 2


def test_a_password_of_a_mirror_is_not_kept_in_the_record(tiny, tmp_path):
    done = shell(tmp_path, "backprop train tiny.yaml --name run --mirror http://user:s3/cret@localhost/")
    record = (tmp_path / "runs/run/run.json").read_text()
    assert done.returncode == 0
    assert "http://***@localhost/" in record
    assert "s3/cret" not in record


def test_a_key_that_is_no_text_is_named(backprop, tiny):
    done = backprop("train", tiny, "\udcff=1")
    assert (done.code, "command line: \\udcff=1: expected KEY=VALUE" in done.err) == (2, True)


@pytest.mark.parametrize("target", ["tiny.yaml", "runs/run/checkpoints/best.npz", "runs/run/metrics.csv", "link.html"])
@pytest.mark.parametrize("words", [("report", "run"), ("plot", "run", "--kind", "curves")], ids=["report", "plot"])
def test_an_output_does_not_replace_a_file_of_another_kind(backprop, tiny, tmp_path, words, target):
    assert backprop("train", tiny, "--name", "run", "-q").code == 0
    (tmp_path / "link.html").symlink_to("tiny.yaml")
    before = (tmp_path / target).read_bytes()
    done = backprop(*words, "-o", target)
    assert (done.code, done.out) == (2, "")
    assert (tmp_path / target).read_bytes() == before


def test_a_link_that_looks_like_an_output_does_not_lead_to_a_config(backprop, tiny, tmp_path, unrendered):
    assert backprop("train", tiny, "--name", "run", "-q").code == 0
    before = tiny.read_bytes()
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots/curves.png").symlink_to(tiny)
    (tmp_path / "digits.csv").symlink_to(tiny)
    for words in (("plot", "run", "-o", "plots"), ("data", "show", "digits", "-o", "digits.csv")):
        done = backprop(*words)
        assert (done.code, f"{tiny}: the name must end in" in done.err) == (2, True)
    assert tiny.read_bytes() == before


def test_a_report_may_be_replaced_and_go_to_stdout(backprop, tiny, tmp_path, unrendered):
    assert backprop("train", tiny, "--name", "run", "-q").code == 0
    for _ in range(2):
        assert backprop("report", "run", "-o", "page.HTML").code == 0
    assert "<!doctype html>" in backprop("report", "run", "-o", "/dev/stdout").out


def test_a_library_that_cannot_be_loaded_is_named(tiny, tmp_path):
    """As with too little address space, where the loader fails, or a broken installation."""
    (tmp_path / "scipy.py").write_text("raise ImportError('libfoo.so: failed to map segment from shared object')")
    done = shell(tmp_path, "backprop train tiny.yaml", PYTHONPATH=f"{tmp_path}:{ROOT}", NO_COLOR="1")
    line = "error: a library cannot be loaded: libfoo.so: failed to map segment from shared object; reinstall it"
    assert (done.returncode, done.stderr.decode().startswith(line)) == (1, True), done
