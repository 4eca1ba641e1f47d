import json
import os
import pty
import subprocess
import sys
import termios

import click
import pytest
import yaml

from backprop_cli.cli.main import COMMANDS, cli
from backprop_cli.config.json_schema import json_schema
from tests.conftest import ROOT


def test_check_prints_the_experiment_with_defaults_as_a_config(backprop, tiny):
    done = backprop("check", tiny, "seed=4")
    assert done.code == 0
    values = yaml.safe_load(done.out)
    assert (values["seed"], values["initializer"], values["validation"]) == (4, "scaled", 300)
    assert "# parameters: 910 = 780 + 130" in done.out
    assert json.loads(backprop("check", tiny, "--json").out)["parameters"] == 910


@pytest.mark.parametrize(("name", "parameters"), [("21", "289,630"), ("27", "34,826"), ("28", "1,199,882")])
def test_check_prints_the_published_numbers_of_parameters(backprop, name, parameters):
    assert f"# parameters: {parameters} = " in backprop("check", f"published/{name}").out


@pytest.mark.parametrize(
    ("layers", "lines"),
    [
        ("28x28-conv20x5-max2-conv40x5-max2-100-10", []),
        ("28x28-conv4x3same-max2-up2-10", []),
        (
            "28x28-conv32x3-max2-conv64x3-max2-10",
            ["# layer 4: max2 leaves out the last row and column of its input, 11x11"],
        ),
        (
            "28x28-conv8x4s5-max3-10",
            [
                "# layer 1: conv8x4s5 leaves out the last 4 rows and 4 columns of its input, 28x28",
                "# layer 2: max3 leaves out the last 2 rows and 2 columns of its input, 5x5",
            ],
        ),
    ],
)
def test_check_mentions_the_pixels_that_no_window_contains(backprop, layers, lines):
    done = backprop("check", "mnist", f"layers={layers}")
    assert [line for line in done.out.splitlines() if "leaves out" in line] == lines


def test_check_loads_no_data(backprop, tmp_path):
    assert backprop("check", ROOT / "configs/mnist.yaml").code == 0


def test_schema_is_the_schema(backprop):
    assert json.loads(backprop("schema").out) == json_schema()
    assert json.loads(backprop("schema", "-q").out) == json_schema()


@pytest.mark.parametrize("template", [path.stem for path in (ROOT / "configs").glob("*.yaml")])
def test_init_writes_each_shipped_config_and_the_schema_beside_it(backprop, tmp_path, template):
    assert backprop("init", "--template", template).code == 0
    assert (tmp_path / f"{template}.yaml").read_text() == (ROOT / "configs" / f"{template}.yaml").read_text()
    assert json.loads((tmp_path / "backprop.schema.json").read_text()) == json_schema()
    assert backprop("check", f"{template}.yaml").code == 0


def test_init_replaces_a_file_only_with_force(backprop, tmp_path):
    (tmp_path / "mine.yaml").write_text("precious")
    done = backprop("init", "mine.yaml")
    assert done.code == 2
    assert "--force" in done.err
    assert (tmp_path / "mine.yaml").read_text() == "precious"
    assert backprop("init", "mine.yaml", "--force").code == 0
    assert "digits, mnist" in backprop("init", "--template", "none").err
    assert "mnist" in backprop("init", "--list").out


def test_init_says_how_a_shipped_config_gets_another_name(backprop):
    refused = backprop("init", "digits", "my.yaml")
    assert (refused.code, "to name the file: backprop init my.yaml --template digits" in refused.err) == (2, True)


def test_init_takes_the_name_of_a_shipped_config(backprop, tmp_path):
    assert backprop("init", "nand").out.startswith("wrote nand.yaml and")
    assert yaml.safe_load(backprop("check", "nand.yaml").out)["dataset"]["name"] == "nand"
    done = backprop("init", "iris")
    assert (done.code, "no shipped config 'iris'" in done.err, (tmp_path / "iris").exists()) == (2, True, False)


def test_init_lists_the_shipped_configs_with_a_description_of_each(backprop):
    lines = backprop("init", "--list").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == backprop("init", "--list", "-q").out.split()
    assert {"digits", "classics/or", "classics/xor"} <= {line.split()[0] for line in lines}
    assert "  Exclusive or: 1 where the two inputs differ." in "\n".join(lines)


def test_a_shipped_config_is_trained_by_name_in_any_folder(backprop, tmp_path):
    assert backprop("train", "digits", "epochs=1", "-q").out == "runs/digits-001\n"
    assert backprop("train", "classics/and", "-q").out == "runs/and-001\n"
    for command in ("check", "trace", "gradcheck"):
        assert backprop(command, "xor").code == 0


def test_data_is_located_fetched_and_verified(backprop, serve, mnist_folder, tmp_path):
    cache = tmp_path / "cache"
    assert backprop("data", "path", "--data-dir", cache).out == f"{cache / 'mnist'}\n"
    assert backprop("data", "verify", "--data-dir", cache).code == 5
    assert backprop("data", "fetch", "--data-dir", cache, "--mirror", serve(mnist_folder).url).code == 0
    done = backprop("data", "verify", "--data-dir", cache, "--json")
    assert done.code == 0
    assert json.loads(done.out)["train"] == 60_000
    file = cache / "mnist" / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\x0a")
    (cache / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert backprop("data", "verify", "--data-dir", cache).code == 5
    assert backprop("data", "verify", "digits").code == 0
    assert backprop("data", "fetch", "cifar").code == 2


def test_every_command_has_help(backprop):
    assert all(command in backprop("--help").out for command in COMMANDS)
    for command in COMMANDS:
        assert backprop(command, "--help").code == 0


def every_command():
    """The words of each command and subcommand."""
    yield []
    for name in COMMANDS:
        yield [name]
        command = cli.get_command(click.Context(cli), name)
        yield from ([name, inner] for inner in getattr(command, "commands", ()))


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_help_loads_nothing_heavy(words):
    code = (
        "import sys\nfrom backprop_cli.cli.main import main\n"
        "heavy = {'numpy', 'requests', 'pydantic', 'yaml', 'tqdm', 'matplotlib', 'jinja2', 'PIL', 'scipy'}\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


UNUSED = (
    "asyncio concurrent.futures jinja2 matplotlib multiprocessing numpy.ma numpy.testing pandas PIL pyarrow "
    "pydantic.v1 requests scipy sklearn ssl tqdm "
    "backprop_cli.api backprop_cli.drawing backprop_cli.exporting backprop_cli.fitting backprop_cli.inputs "
    "backprop_cli.plots backprop_cli.report backprop_cli.search backprop_cli.sweeps"
)
"""What takes long to load, and a run of a small data set does not need."""


def test_a_run_starts_without_what_it_does_not_use(tmp_path):
    code = (
        "import gc, sys\nfrom backprop_cli.__main__ import main\n"
        "collections = []\ngc.callbacks.append(lambda *_: collections.append(1))\n"
        "try:\n    main()\n"
        f"finally:\n    print([name for name in {UNUSED!r}.split() if name in sys.modules])\n"
        "    from backprop_cli.experiment.keys import Keys\n"
        "    print(len(collections), gc.get_freeze_count() > 50_000, Keys.__pydantic_complete__)"
    )
    env = {name: text for name, text in os.environ.items() if name != "PYDANTIC_DISABLE_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "digits", "epochs=1", "-q"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[1:] == ["[]", "0 True False"], done.stderr


def test_a_wrong_command_is_one_line_and_exit_2(backprop):
    done = backprop("trian")
    assert done.code == 2
    assert done.err.startswith("error: No such command 'trian'. Did you mean 'backprop train'?\n")
    assert "Did you mean 'backprop runs list'?" in backprop("ls").err
    assert "Did you mean" not in backprop("qwertz").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train c.yaml --epochs 3", "No such option '--epochs'; config keys are written without dashes: epochs=3"),
        ("train c.yaml --eta=0.5", "No such option '--eta'; config keys are written without dashes: eta=0.5"),
        ("train c.yaml -eta=0.5", "No such option '-eta'; config keys are written without dashes: eta=0.5"),
        ("check c.yaml --lr 0.1", "No such option '--lr'; config keys are written without dashes: eta=0.1"),
        ("check c.yaml --batch-size 5", "config keys are written without dashes: batch_size=5"),
        ("check c.yaml --optimizer.mu=0.9", "config keys are written without dashes: optimizer.mu=0.9"),
        ("check c.yaml --momentum 0.9", "dashes: 'optimizer: {name: momentum, mu: 0.9}', or optimizer=momentum"),
        ("check c.yaml --quite", "--quiet"),
        ("resume mine epochs=5", "Got unexpected extra argument (epochs=5); write --epochs 5"),
        ("resume mine eta=5", "Got unexpected extra argument (eta=5)"),
        ("--json runs list", "No such option '--json' here; options follow the command: backprop COMMAND --json"),
        ("eval mine --min-accuracy 97%", "'97%' is not a number from 0 to 1, such as 0.97"),
        ("eval mine --min-accuracy 97", "'97' is not a number from 0 to 1, such as 0.97"),
        ("eval mien", "no checkpoint, run folder or run named 'mien' found (searched in runs); did you mean 'mines'?"),
    ],
)
def test_an_error_of_usage_says_what_to_write(backprop, words, message):
    os.makedirs("runs/mines")
    with open("runs/mines/run.json", "w") as file:
        file.write("{}")
    done = backprop(*words.split())
    assert (done.code, message in done.err.replace("\\n", "\n")) == (2, True), done.err


def test_a_traceback_is_for_debug_only(backprop, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"hello")
    assert "Traceback" not in backprop("eval", "x.npz").err
    assert "Traceback" in backprop("eval", "x.npz", "--debug").err


def test_colour_is_used_on_terminals_unless_no_color_is_set(tmp_path):
    def error_of(**env):
        main, other = pty.openpty()
        command = [sys.executable, "-m", "backprop_cli", "check", "none.yaml"]
        subprocess.run(command, stderr=other, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), **env})
        os.close(other)
        with os.fdopen(main, "rb") as terminal:
            return terminal.read1()

    assert error_of().startswith(b"\x1b[")
    assert error_of(NO_COLOR="1").startswith(b"error:")


def test_help_is_printed_without_a_command(backprop):
    for words in ((), ("data",)):
        done = backprop(*words)
        assert done.code == 2
        assert done.err.startswith("Usage: ")


def test_verbose_prints_more(backprop, tiny):
    assert "BLAS" in backprop("train", tiny, "-v").err
    assert "BLAS" not in backprop("train", tiny).err


def test_a_bar_is_drawn_on_a_terminal(tiny):
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "backprop_cli", "train", str(tiny)],
        stderr=other,
        stdout=subprocess.PIPE,
        cwd=tiny.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(other)
    shown = b""
    with os.fdopen(main, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(1 << 16):
                shown += part
        except OSError:  # how a terminal ends on Linux
            pass
    process.communicate(timeout=10)
    assert "epoch 3/3 [" in shown.decode()
    assert "validation " in shown.decode()
    assert b"epoch 1/3  train cost" not in shown
