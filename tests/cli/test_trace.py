import json
import re

import numpy as np
import pytest

from backprop_cli.nn.activations import HIDDEN
from backprop_cli.nn.costs import OUTPUT_PAIRS
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from tests.conftest import ROOT

XOR = ROOT / "configs/xor.yaml"
TWO_THREE_TWO = ("layers=2-3-2", "targets=one_hot", "--rows", "0-2")


def traced(backprop, *words):
    done = backprop("trace", XOR, *words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def bracketed(text):
    """The matrices of a text, by formula."""
    found = {}
    for line in text.splitlines():
        if row := re.match(r"  (?:BP\d)? +(\S.*?) += [⎡[] (.*) [⎤\]]$", line):
            rows = found.setdefault(row[1], [])
        elif not (row := re.match(r"( +)[⎢⎣] (.*) [⎥⎦]$", line)):
            continue
        rows.append([float(word) for word in row[2].split()])
    return found


def equations(markdown):
    """The matrices of a document, by formula."""
    found = {}
    for equation in re.findall(r"^\$\$\n(.*?)\n\$\$$", markdown, re.DOTALL | re.MULTILINE):
        if matrix := re.search(r"(.*) =\n\\begin{bmatrix}\n(.*)\n\\end{bmatrix}", equation, re.DOTALL):
            rows = [row.split(" & ") for row in matrix[2].split(" \\\\\n")]
            found[matrix[1]] = [[float(re.sub(r" \\times 10\^{(.*)}", r"e\1", word)) for word in row] for row in rows]
    return found


def test_the_text_shows_the_numbers_and_fits_a_terminal(backprop):
    data = traced(backprop, *TWO_THREE_TWO)
    text = backprop("trace", XOR, *TWO_THREE_TWO).out
    assert max(map(len, text.splitlines())) <= 80
    shown = bracketed(text)
    one, two = data["layers"]
    for formula, value in {
        "x": data["x"],
        "W^1": one["W"],
        "z^1 = a^0 (W^1)^T + b^1": one["z"],
        "a^2 = sigmoid(z^2)": two["a"],
        "dC/da^2 = (a^2 - y) / m": two["dC_da"],
        "delta^2 = dC/da^2 ⊙ f'(z^2)": two["delta"],
        "delta^1 = (delta^2 W^2) ⊙ f'(z^1)": one["delta"],
        "dC/db^2 = sum of delta^2": [two["dC_db"]],
        "dC/dW^1 = (delta^1)^T a^0": one["dC_dW"],
        "W^1 <- W^1 + ΔW^1": one["new_W"],
    }.items():
        np.testing.assert_allclose(shown[formula], value, atol=0.5e-5)
    assert f"{data['difference']['above']:.12f}" in text
    for equation in ("BP1", "BP2", "BP3", "BP4"):
        assert f"\n  {equation}  " in text


def test_wide_matrices_are_wrapped(backprop):
    text = backprop("trace", XOR, "dataset={name: parity, bits: 12}", "layers=12-9-1", "--digits", 8).out
    assert max(map(len, text.splitlines())) <= 100
    assert " …\n" in text


def test_the_markdown_has_the_same_numbers(backprop):
    data = traced(backprop, *TWO_THREE_TWO)
    found = equations(backprop("trace", XOR, *TWO_THREE_TWO, "--markdown", "--digits", 9).out)
    one, two = data["layers"]
    for formula, value in {
        r"z^{1} = a^{0} (W^{1})^T + b^{1}": one["z"],
        r"a^{2} = \text{sigmoid}(z^{2})": two["a"],
        r"\delta^{1} = (\delta^{2} W^{2}) \odot f'(z^{1})": one["delta"],
        r"\frac{\partial C}{\partial W^{1}} = (\delta^{1})^T a^{0}": one["dC_dW"],
        r"\frac{\partial C}{\partial b^{2}} = \sum_x \delta^{2}": [two["dC_db"]],
        r"W^{2} \leftarrow W^{2} + \Delta W^{2}": two["new_W"],
    }.items():
        np.testing.assert_allclose(found[formula], value, atol=1e-9)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_slope_of_every_hidden_activation_has_a_formula(backprop, hidden):
    out = backprop("trace", XOR, f"activation={hidden}", "output=identity", "--rows", 1).out
    assert re.search(r"f'\(z\^1\) = \S.* = [⎡[]", out)


@pytest.mark.parametrize(("cost", "output"), OUTPUT_PAIRS)
def test_every_pair_of_cost_and_output_can_be_traced(backprop, cost, output):
    words = (f"cost={cost}", f"output={output}", "layers=2-3-2", "targets=one_hot", "lambda={l1: 0.1, l2: 1}")
    data = traced(backprop, *words)
    assert data["difference"]["crosses_kink"] or data["difference"]["error"] < 1e-5
    text, markdown = backprop("trace", XOR, *words).out, backprop("trace", XOR, *words, "--markdown").out
    assert max(map(len, text.splitlines())) <= 100
    for out in (text, markdown):
        assert "BP1" in out
        assert "@" not in out
    latex = "".join(re.findall(r"^\$\$\n(.*?)\n\$\$$", markdown, re.DOTALL | re.MULTILINE))
    assert latex.isascii(), "a letter that LaTeX does not know"
    assert latex.count("{") == latex.count("}")


@pytest.mark.parametrize("name", [*OPTIMIZERS, *MINIMIZERS])
def test_the_step_is_the_first_of_training(backprop, name):
    words = (XOR, f"optimizer={name}", "eta=0.01", "epochs=1", "dtype=float64", "--json")
    data = traced(backprop, "--rows", "0-3", *words[1:-1])
    assert ("has no single step" in backprop("trace", *words[:-1]).out) == (name in MINIMIZERS)
    if name in OPTIMIZERS:
        run = json.loads(backprop("train", *words).out)["run"]
        with np.load(f"{run}/checkpoints/last.npz") as checkpoint:
            for number, layer in enumerate(data["layers"], start=1):
                np.testing.assert_allclose(layer["new_W"], checkpoint[f"W{number}"], rtol=1e-12)
                np.testing.assert_allclose(layer["new_b"], checkpoint[f"b{number}"], rtol=1e-12)


def test_the_default_difference_is_of_a_weight_with_a_derivative(backprop):
    # inputs of 0 leave W1 without a gradient
    assert traced(backprop, "--rows", "0", "lambda=1")["difference"]["at"].startswith("b1")
    assert traced(backprop, "--rows", "1", "lambda=1")["difference"]["at"] in ("W1[0,1]", "W1[1,1]")


def test_a_parameter_can_be_chosen(backprop):
    data = traced(backprop, "--weight", "b2[0]", "--rows", "3,1")
    assert (data["rows"], data["x"]) == ([3, 1], [[1, 1], [0, 1]])
    difference = data["difference"]
    assert difference["at"] == "b2[0]"
    assert difference["derivative"] == data["layers"][1]["dC_db"][0]
    assert "w = W1[0,1] " in backprop("trace", XOR, "--rows", 1, "--weight", "W1[0, 1]").out


def test_remarks_list_what_is_left_out(backprop):
    assert "dropout is off" in backprop("trace", XOR, "dropout=0.5").out
    assert "limited to the norm 0.1" in backprop("trace", XOR, "max_norm=0.1").out


@pytest.mark.parametrize("template", ["digits", "mnist", "mnist-best"])
def test_a_large_network_is_an_error_before_data_is_loaded_with_a_remedy_that_works(backprop, template):
    path = ROOT / "configs" / f"{template}.yaml"
    done = backprop("trace", path, "--offline")
    assert done.code == 2
    assert "a trace shows at most 200" in done.err
    assert backprop("trace", path, *done.err.split("as with ")[1].split()).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rows", "4"), "--rows: 4 is out of range; the training examples are 0 to 3"),
        (("--rows", "2-1"), "--rows: 2-1 is out of range"),
        (("--rows", "one"), "--rows: invalid value 'one'; expected a form such as 0, or 0,3, or 0-2"),
        (("--rows", "0-3,0-3,0"), "--rows: a trace shows at most 8 examples"),
        (
            ("--weight", "W3[0,0]"),
            "--weight: unknown parameter W3[0,0]; this network has W1[0,0] to W1[1,1]",
        ),
        (("--markdown", "--json"), "--markdown and --json cannot be combined"),
        (("--digits", "0"), "--digits"),
    ],
)
def test_wrong_options_are_one_line_and_exit_2(backprop, words, message):
    done = backprop("trace", XOR, *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_step_that_overflows_is_shown(backprop):
    done = backprop("trace", XOR, "--rows", 1, "activation=relu", "output=identity", "eta=1e38", "initializer=normal")
    assert (done.code, done.err) == (0, "")
    assert "C after the step" in done.out
