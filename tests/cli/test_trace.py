import json
import math
import re

import numpy as np
import pytest

from backprop_cli.nn.activations import HIDDEN
from backprop_cli.objectives.costs import OUTPUT_PAIRS
from backprop_cli.optim.minimizers import MINIMIZERS
from backprop_cli.optim.optimizers import OPTIMIZERS
from tests.conftest import ROOT

XOR = ROOT / "configs/xor.yaml"
EXAMPLES = ROOT / "configs/examples"
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


def assert_ends_at(data, run):
    """The parameters after the last step are those of the last checkpoint of a run."""
    with np.load(f"{run}/checkpoints/last.npz") as checkpoint:
        for number, layer in enumerate(data["steps"][-1]["layers"], start=1):
            np.testing.assert_allclose(layer["new_W"], checkpoint[f"W{number}"], rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(layer["new_b"], checkpoint[f"b{number}"], rtol=1e-9, atol=1e-15)


def test_the_text_shows_the_numbers_and_fits_a_terminal(backprop):
    data = traced(backprop, *TWO_THREE_TWO)
    text = backprop("trace", XOR, *TWO_THREE_TWO).out
    assert max(map(len, text.splitlines())) <= 80
    shown = bracketed(text)
    one, two = data["layers"]
    for formula, value in {
        "x": data["x"],
        "W⁽¹⁾": one["W"],
        "z⁽¹⁾ = a⁽⁰⁾ (W⁽¹⁾)ᵀ + b⁽¹⁾": one["z"],
        "a⁽²⁾ = sigmoid(z⁽²⁾)": two["a"],
        "dC/da⁽²⁾ = (a⁽²⁾ - y) / m": two["dC_da"],
        "delta⁽²⁾ = dC/da⁽²⁾ ⊙ f'(z⁽²⁾)": two["delta"],
        "delta⁽¹⁾ = (delta⁽²⁾ W⁽²⁾) ⊙ f'(z⁽¹⁾)": one["delta"],
        "dC/db⁽²⁾ = sum of delta⁽²⁾": [two["dC_db"]],
        "dC/dW⁽¹⁾ = (delta⁽¹⁾)ᵀ a⁽⁰⁾": one["dC_dW"],
        "new W⁽¹⁾ = W⁽¹⁾ + ΔW⁽¹⁾": one["new_W"],
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
        r"z^{(1)} = a^{(0)} (W^{(1)})^T + b^{(1)}": one["z"],
        r"a^{(2)} = \text{sigmoid}(z^{(2)})": two["a"],
        r"\delta^{(1)} = (\delta^{(2)} W^{(2)}) \odot f'(z^{(1)})": one["delta"],
        r"\frac{\partial C}{\partial W^{(1)}} = (\delta^{(1)})^T a^{(0)}": one["dC_dW"],
        r"\frac{\partial C}{\partial b^{(2)}} = \sum_x \delta^{(2)}": [two["dC_db"]],
        r"W^{(2)}_{\text{new}} = W^{(2)} + \Delta W^{(2)}": two["new_W"],
    }.items():
        np.testing.assert_allclose(found[formula], value, atol=1e-9)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_slope_of_every_hidden_activation_has_a_formula(backprop, hidden):
    out = backprop("trace", XOR, f"activation={hidden}", "output=identity", "--rows", 1).out
    assert re.search(r"f'\(z⁽¹⁾\) = \S.* = [⎡[]", out)


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
    run = json.loads(backprop("train", *words).out)["run"]
    assert_ends_at(data, run)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, ("batch_size=1",)) for name, rule in OPTIMIZERS.items() if not rule.full_batch),
        *((name, ()) for name, rule in {**OPTIMIZERS, **MINIMIZERS}.items() if rule.full_batch),
        ("sgd", ("batch_size=3", "lambda={l1: 0.1, l2: 0.2}", "max_norm=0.5", "schedule=cosine")),
        ("adam", ("batch_size=2", "cost=cross_entropy", "average=ema", "warmup=1")),
    ],
)
def test_several_steps_are_those_of_training(backprop, name, words):
    words = (f"optimizer={name}", "eta=0.05", "epochs=3", "dtype=float64", *words)
    run = json.loads(backprop("train", XOR, *words, "--json").out)["run"]
    batches = traced(backprop, *words)["steps"][0]["batches"]
    data = traced(backprop, *words, "--steps", 3 * batches)
    assert (data["steps"][-1]["epoch"], data["steps"][-1]["batch"]) == (3, batches)
    assert_ends_at(data, run)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])
def test_a_trace_continues_from_a_checkpoint_with_the_state_of_the_optimizer(backprop, optimizer):
    words = (XOR, f"optimizer={optimizer}", "eta=0.05", "batch_size=2", "dtype=float64", "average=ema")
    assert backprop("train", *words, "epochs=5", "--name", "long").code == 0
    assert backprop("train", *words, "epochs=3", "--name", "short").code == 0
    for run in ("short", "runs/short", "@last", "shor", "runs/short/checkpoints/last.npz"):
        done = backprop("trace", run, "--steps", 4, "--checkpoint", "last", "--json")
        assert done.code == 0, done.err
        data = json.loads(done.out)
        assert [(step["epoch"], step["batch"]) for step in data["steps"]] == [(4, 1), (4, 2), (5, 1), (5, 2)]
        assert_ends_at(data, "runs/long")
    with np.load("runs/long/checkpoints/last.npz") as checkpoint:
        average = data["steps"][-1]["optimizer"]["after"]["average"]
        in_order = np.concatenate([np.ravel(average[name]) for name in ("W1", "W2", "b1", "b2")])
        np.testing.assert_allclose(in_order, checkpoint["average.theta"], rtol=1e-12)


def test_a_run_in_single_precision_is_continued_in_double(backprop):
    assert backprop("train", XOR, "epochs=3", "--name", "run").code == 0
    data = json.loads(backprop("trace", "run", "--json").out)
    with np.load("runs/run/checkpoints/best.npz") as checkpoint:
        assert data["layers"][0]["W"] == checkpoint["W1"].tolist()
    text = backprop("trace", "run").out
    assert "parameters of runs/run/checkpoints/best.npz, after epoch 3;" in text
    assert "training is finished after 3 epochs" in text


def test_other_settings_can_be_tried_from_a_checkpoint_if_its_arrays_fit(backprop):
    assert backprop("train", XOR, "epochs=3", "optimizer=adam", "--name", "run").code == 0
    assert "eta = 0.5" in backprop("trace", "run", "eta=0.5").out
    for word in ("optimizer=sgd", "layers=2-3-1"):
        done = backprop("trace", "run", word)
        assert done.code == 1
        assert "best.npz: its arrays are not those of" in done.err
    done = backprop("trace", "run", "W1=1")
    assert done.code == 2
    assert "the parameters come from the checkpoint" in done.err


def test_a_name_that_is_neither_a_config_nor_a_run_is_an_error(backprop):
    assert backprop("trace", "nothing").err.startswith("error: no checkpoint, run folder or run named 'nothing'")
    assert "nothing.yaml: cannot be read" in backprop("trace", "nothing.yaml").err


def test_a_large_run_is_an_error_before_data_is_loaded(backprop):
    assert backprop("train", ROOT / "configs/digits.yaml", "epochs=1", "--name", "large").code == 0
    assert backprop("trace", "large").err.endswith("a trace shows at most 200\n")


def test_the_saturated_neuron_of_nielsen_agrees_with_calculation_by_hand(backprop):
    data = json.loads(backprop("trace", EXAMPLES / "neuron.yaml", "--json").out)
    (layer,) = data["layers"]
    a = 1 / (1 + math.exp(-4))
    assert a == pytest.approx(0.98201, abs=5e-6)
    assert (data["x"], data["y"], layer["W"], layer["b"], layer["z"]) == ([[1]], [[0]], [[2]], [2], [[4]])
    assert layer["a"] == [[pytest.approx(a, rel=1e-12)]]
    assert data["cost"] == pytest.approx(a * a / 2, rel=1e-12)
    delta = a * a * (1 - a)
    assert layer["delta"] == [[pytest.approx(delta, rel=1e-12)]]
    assert layer["new_W"] == [[pytest.approx(2 - 0.15 * delta, rel=1e-12)]]
    assert backprop("trace", EXAMPLES / "neuron.yaml").out.startswith("1-1 on the given example\n")
    entropy = json.loads(backprop("trace", EXAMPLES / "neuron.yaml", "cost=cross_entropy", "--json").out)
    assert entropy["layers"][0]["delta"] == [[pytest.approx(a, rel=1e-12)]]


def test_the_state_of_adam_agrees_with_calculation_by_hand(backprop):
    words = ("trace", EXAMPLES / "neuron.yaml", "optimizer=adam", "eta=0.1", "--steps", 2)
    steps = json.loads(backprop(*words, "--json").out)["steps"]
    w, m, v = 2.0, 0.0, 0.0
    for t, step in enumerate(steps, start=1):
        a = 1 / (1 + math.exp(-2 * w))  # b has the same gradient, and stays equal to w
        g = a * a * (1 - a)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        w -= 0.1 * m_hat / (math.sqrt(v_hat) + 1e-8)
        after = step["optimizer"]["after"]
        assert after["t"] == t
        for name, value in (("m", m), ("v", v), ("m_hat", m_hat), ("v_hat", v_hat)):
            assert after[name] == {"W1": [[pytest.approx(value, rel=1e-9)]], "b1": [pytest.approx(value, rel=1e-9)]}
        assert step["layers"][0]["new_W"] == [[pytest.approx(w, rel=1e-12)]]
    assert steps[1]["optimizer"]["before"]["m"] == steps[0]["optimizer"]["after"]["m"]
    text, markdown = backprop(*words).out, backprop(*words, "--markdown").out
    for symbol in ("m_W⁽¹⁾", "v_b⁽¹⁾", "m\u0302_W⁽¹⁾", "v\u0302_b⁽¹⁾"):
        assert f"       {symbol} " in text
    assert r"\hat{v}_{W}^{(1)} =" in markdown


@pytest.mark.parametrize(
    ("name", "kept"), [("sgd", set()), ("momentum", {"v"}), ("rmsprop", {"v"}), ("rprop", {"step", "sign"})]
)
def test_optimizers_show_what_they_keep(backprop, name, kept):
    optimizer = traced(backprop, f"optimizer={name}")["steps"][0]["optimizer"]
    assert (optimizer["name"], set(optimizer["after"])) == (name, kept)


@pytest.mark.parametrize("name", ["neuron", "2-2-1", "2-2-2"])
def test_the_worked_examples_agree_with_their_central_differences(backprop, name):
    data = json.loads(backprop("trace", EXAMPLES / f"{name}.yaml", "--json").out)
    assert data["difference"]["error"] < 1e-6


def test_an_example_and_parameters_can_be_given_in_words(backprop):
    words = ("x=0.5,-1", "y=1", "W1=[[1, 2], [3, 4]]", "b1=[0, 0.5]", "W2=[1, -1]", "b2=0")
    data = traced(backprop, *words)
    one, two = data["layers"]
    assert one["z"] == [[0.5 * 1 - 1 * 2, 0.5 * 3 - 1 * 4 + 0.5]]
    assert two["W"] == [[1, -1]]
    assert (data["rows"], data["y"], two["activation"]) == ([], [[1]], "sigmoid")
    assert backprop("trace", XOR, *words).out.startswith("2-2-1 on xor, the given example\n  m = 1; given parameters;")
    assert "W1 as given, other initial parameters of seed 1" in backprop("trace", XOR, words[2]).out
    assert traced(backprop, "x=[[0, 1], [1, 1]]", "y=[[1], [0]]")["x"] == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x=1,0",), "x and y belong together"),
        (("x=[[1, 0], [0, 0]]", "y=1"), "x and y belong together"),
        (("x=1", "y=1"), "the examples have 1 numbers in x and 1 in y, not 2 numbers in x and 1 in y"),
        (("x=1,one", "y=1"), "command line: x=1,one: must be a number, or a list of numbers"),
        (("x=1,.nan", "y=1"), ".nan is not a finite number"),
        (("x=[[1, 2], [3]]", "y=1"), "all rows must have the same number of entries"),
        (("x=[[[1]]]", "y=1"), "write one list for each example"),
        (("W1=1",), "command line: initial.W1=1: initial.W1 must have the shape (2, 2)"),
        (("W3=1",), "unknown parameter 'W3'; this network has W1, b1, W2, b2"),
        (("--steps", "0"), "--steps"),
        (("--blank", "--json"), "--blank and --json cannot be combined"),
    ],
)
def test_wrong_examples_are_errors(backprop, words, message):
    done = backprop("trace", XOR, *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("format", "page_break", "blank", "matrices", "known"),
    [
        ((), "━" * 80, "____", bracketed, {"x", "y", "a⁽⁰⁾ = x", "W⁽¹⁾", "b⁽¹⁾", "W⁽²⁾", "b⁽²⁾"}),
        (
            ("--markdown",),
            '<div style="page-break-before: always"></div>',
            r"\underline{\qquad}",
            equations,
            {"x", "y", "a^{(0)} = x", "W^{(1)}", "b^{(1)}", "W^{(2)}", "b^{(2)}"},
        ),
    ],
    ids=["text", "markdown"],
)
def test_an_exercise_has_blanks_for_all_results_and_its_solution_on_another_page(
    backprop, format, page_break, blank, matrices, known
):
    words = ("trace", EXAMPLES / "2-2-1.yaml", "--steps", 2, *format)
    plain, out = backprop(*words).out, backprop(*words, "--blank").out
    exercise, solution = out.split(f"\n\n{page_break}\n\n")
    assert "Exercise: " in exercise.splitlines()[0]
    assert solution.replace("Solution: ", "", 1) == plain
    shown = matrices(exercise.replace(blank, "nan"))
    assert {formula for formula, rows in shown.items() if not np.isnan(rows).any()} == known
    assert len(shown) > 30
    assert not re.search(r"^ *C.* = [\d.]+$", exercise, re.MULTILINE)
    assert "BP2" in exercise
    assert "Central difference" in solution


def test_later_steps_are_shown_in_short(backprop):
    first, second, third = re.split(r"\n(?=Step \d)", backprop("trace", XOR, "--steps", 3).out)[1:]
    assert third.startswith("Step 3 (epoch 3, batch 1 of 1, training examples 0, 1, 2, 3)\n═")
    assert "       x " in first
    assert "       x " not in second
    assert len(third.splitlines()) < len(first.splitlines()) / 2
    assert "       x " in backprop("trace", XOR, "batch_size=1", "--steps", 2).out.split("\nStep 2 ")[1]


def test_later_steps_show_eta_where_it_changes(backprop):
    text = backprop("trace", XOR, "schedule={name: exponential, gamma: 0.5}", "--steps", 3).out
    assert [float(eta) for eta in re.findall(r"^ +eta +=( .*)$", text, re.MULTILINE)] == [1.5, 0.75]
    assert not re.search(r"^ +eta ", backprop("trace", XOR, "--steps", 3).out, re.MULTILINE)


def test_no_superscript_can_be_read_as_a_power(backprop):
    text = backprop("trace", XOR, "activation=tanh", "output=sigmoid", "optimizer=adam").out
    assert "superscripts in parentheses are layers, not powers: a⁽²⁾" in text
    assert "^" not in text
    assert "f'(z⁽¹⁾) = 1 - (a⁽¹⁾)²" in text
    markdown = backprop("trace", XOR, "--markdown").out
    assert not re.search(r"[Wabz]\^(\{\d|\d)", markdown)


def test_the_default_examples_are_those_from_which_something_is_seen(backprop):
    assert traced(backprop)["rows"] == [0, 1, 2, 3]
    assert len(traced(backprop, "batch_size=2")["rows"]) == 2
    for seed in range(8):  # inputs of 0 leave W1 without a gradient
        assert np.any(traced(backprop, "batch_size=1", f"seed={seed}")["x"])
    moons = ("dataset=moons", "batch_size=50")
    assert traced(backprop, *moons)["rows"] == [0]
    assert "a single example; training takes batches of 50 examples" in backprop("trace", XOR, *moons).out


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


@pytest.mark.parametrize("template", ["digits", "mnist", "mnist-best", "mnist-conv"])
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
