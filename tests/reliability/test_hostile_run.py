"""A damaged or hostile file in one run's folder is a line, in every command; the other runs are listed all the same."""

import copy
import json
import os
import random
import shutil
from pathlib import Path

import pytest

from backprop_cli.runs.metrics import read_rows
from tests.reliability.limits import Limits
from tests.runs.test_metrics import damaged

VALUES = [None, True, 0, -1, 1.5, 10**18, 10**308, 10**400, float("nan"), float("inf"), 1e-320, "", "x", "\ud800"]
VALUES += ["caf\udce9", "\x1b[31m", "x" * 5000, [], {}, [1], {"x": 1}, [[]] * 50, {"epoch": -1}, {"val_accuracy": "x"}]
COMMANDS = [
    ("runs", "list"),
    ("runs", "list", "--json"),
    ("runs", "list", "--csv", "--group-by-seed", "--sort", "-val_accuracy"),
    ("runs", "show", "mutant"),
    ("runs", "show", "mutant", "--json"),
    ("runs", "compare", "mutant", "good"),
]
READERS = [
    ("runs", "list"),
    ("runs", "show", "mutant"),
    ("plot", "mutant", "--kind", "curves"),
    ("report", "mutant", "-o", "x.html"),
]


@pytest.fixture
def run(backprop, tiny):
    """The folder of a finished run, `mutant`, beside another, `good`."""
    for name in ("good", "mutant"):
        assert backprop("train", tiny, "--name", name, "-q").code == 0
    return Path("runs/mutant")


def places(value, path=()):
    """Yield the path of every value in a JSON object but itself."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def mutated(record, rng):
    """Return a record as text, with another value, key or status, or bytes that are none of this."""
    record = copy.deepcopy(record)
    for _ in range(rng.choice((1, 1, 3))):
        *way, key = rng.choice(list(places(record)))
        place = record
        for step in way:
            place = place[step]
        value = copy.deepcopy(rng.choice(VALUES))
        if rng.random() < 0.2:
            del place[key]
        elif isinstance(place, dict) and rng.random() < 0.1 and not way:
            place[rng.choice(("\ud800", "x" * 5000, "\x1b[31m", "best", "test"))] = value
        else:
            place[key] = value
    if rng.random() < 0.2:
        record["status"] = "running"
    text = json.dumps(record)
    if rng.random() < 0.1:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(("", "[" * 600, "9" * 400, "\0", "}")) + text[place + rng.choice((0, 1, 50)) :]
    return text


def check_mutants(backprop, run, count, seed):
    rng, limits = random.Random(seed), Limits()
    record = json.loads((run / "run.json").read_text())
    for _ in range(count):
        text = mutated(record, rng)
        (run / "run.json").write_text(text, encoding="utf-8")
        for words in COMMANDS:
            done = limits.run(backprop, *words, codes=(0, 1, 2), problem=text)
            assert words[1] != "list" or (done.code == 0 and "good" in done.out), done
        # resume can do without the record; 3 if that says that training diverged
        limits.run(backprop, "resume", "mutant", codes=(0, 3), problem=text)
    return limits


def test_a_mutated_record_is_a_line(backprop, run):
    check_mutants(backprop, run, 60, seed=1)


@pytest.mark.long
def test_thousands_of_mutated_records_are_lines(backprop, run):
    print("5,000 run.json:", check_mutants(backprop, run, 5000, seed=2))


def check_metrics(backprop, run, count, seed):
    """Let the commands read damaged metrics.csv of a run that looks killed, so that all of them do."""
    rng, limits = random.Random(seed), Limits()
    (run / "run.json").write_text((run / "run.json").read_text().replace('"finished"', '"running"'))
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for number in range(count):
        data = damaged(kept[run / "metrics.csv"], rng)
        for words in READERS if number % 10 == 0 else READERS[:-1]:  # a report takes long
            (run / "metrics.csv").write_bytes(data)
            done = limits.run(backprop, *words, codes=(0, 1), problem=data)
            assert words[1] != "list" or (done.code == 0 and "good" in done.out), done
        limits.run(backprop, "resume", "mutant", "--epochs", 4, codes=(0,), problem=data)
        assert [row["epoch"] for row in read_rows(run / "metrics.csv")][-1:] == [4], data
        for path, content in kept.items():
            path.write_bytes(content)
    return limits


def test_the_commands_read_a_mutated_table_or_name_it(backprop, run, unrendered):
    check_metrics(backprop, run, 30, seed=1)


@pytest.mark.long
def test_the_commands_read_thousands_of_mutated_tables_or_name_them(backprop, run, unrendered):
    print("5,000 metrics.csv:", check_metrics(backprop, run, 5000, seed=2))


@pytest.mark.parametrize("table", ["epoch,loss\n1,0.5\n", "epoch,train_cost,val_cost\n1,,\n"], ids=["named", "empty"])
def test_a_table_without_metrics_has_no_curves(backprop, run, table):
    (run / "metrics.csv").write_text(table)
    done = backprop("plot", "mutant", "--kind", "curves")
    assert (done.code, "no epoch was evaluated" in done.err) == (1, True)


def test_a_run_that_was_stopped_before_its_first_evaluation_has_a_last_checkpoint_only(backprop, run):
    record = json.loads((run / "run.json").read_text())
    del record["best"]
    (run / "run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    (run / "checkpoints/best.npz").unlink()
    done = backprop("eval", "mutant")
    assert (done.code, "no epoch was evaluated yet; choose the last checkpoint" in done.err) == (1, True)
    assert backprop("eval", "mutant", "--checkpoint", "last").code == 0


@pytest.mark.parametrize("name", ["run.json", "metrics.csv"])
@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_a_file_that_is_not_regular_is_neither_waited_for_nor_read(backprop, run, name, target):
    (run / "run.json").write_text((run / "run.json").read_text().replace('"finished"', '"running"'))
    (run / name).unlink()
    os.mkfifo("pipe")
    (run / name).symlink_to(Path(target).absolute())
    for words in (
        ("runs", "show", "mutant"),
        ("resume", "mutant", "--epochs", 4),
        ("report", "mutant", "-o", "x.html"),
    ):
        done = backprop(*words)
        assert done.code == 1
        assert f"{name}: " in done.err
        assert "not a regular file" in done.err
    done = backprop("runs", "list", "-q")
    assert (done.code, done.out) == (0, "runs/good\n")


def test_the_config_of_an_old_run_is_read_with_the_reader_of_configs(backprop, run):
    """Its record has no experiment. The aliases of this config stand for 9 ** 9 words."""
    record = json.loads((run / "run.json").read_text())
    del record["experiment"]
    (run / "run.json").write_text(json.dumps(record))
    assert backprop("runs", "list", "-q").out == "runs/good\nruns/mutant\n"
    bomb = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10))]
    (run / "config.yaml").write_text("\n".join(bomb))
    done = backprop("runs", "list", "-q")
    assert (done.code, done.out) == (0, "runs/good\n")
    assert "config.yaml:2:10: aliases" in done.err


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "config.yaml", "checkpoints/last.npz"])
def test_resume_does_not_write_to_a_pipe(backprop, run, name):
    (run / name).unlink()
    os.mkfifo(run / name)
    done = backprop("resume", "mutant", "--epochs", 4)
    assert (done.code, f"{name}: " in done.err, "not a regular file" in done.err) == (1, True, True)


def test_a_damaged_record_does_not_keep_a_run_from_being_resumed(backprop, run):
    (run / "run.json").write_text('{"seconds": NaN}')
    done = backprop("resume", "mutant", "--epochs", 4)
    assert (done.code, "run.json: cannot be read: NaN is not a finite number; it will be" in done.err) == (0, True)
    assert json.loads((run / "run.json").read_text())["epochs"] == 4


@pytest.mark.parametrize("link", ["plots", "plots/curves.png", "report.html"])
def test_plots_are_not_written_through_a_link(backprop, run, unrendered, link):
    Path("victim").mkdir()
    (run / "plots").mkdir(exist_ok=True)
    if link == "plots":
        (run / "plots").rmdir()
    (run / link).symlink_to(Path("victim" if link == "plots" else "victim/new").absolute())
    done = backprop("report", "mutant") if link == "report.html" else backprop("plot", "mutant", "--kind", "curves")
    assert (done.code, f"{link} is a symbolic link" in done.err) == (1, True)
    assert list(Path("victim").iterdir()) == []


@pytest.mark.parametrize("link", ["checkpoints", "metrics.csv", "run.json"])
def test_resume_does_not_write_through_a_link(backprop, run, link):
    """Neither to where it leads, nor does it remove files there that look like its own temporary ones."""
    Path("victim").mkdir()
    if link == "checkpoints":
        shutil.copytree(run / link, "victim", dirs_exist_ok=True)
        shutil.rmtree(run / link)
        (run / link).symlink_to(Path("victim").absolute())
        Path("victim/.notes.old.tmp").write_text("precious")
    else:
        (run / link).unlink()
        (run / link).symlink_to(Path("victim/new").absolute())
    before = {path: path.read_bytes() for path in Path("victim").iterdir()}
    done = backprop("resume", "mutant", "--epochs", 4)
    assert (done.code, f"{link} is a symbolic link" in done.err) == (1, True)
    assert {path: path.read_bytes() for path in Path("victim").iterdir()} == before


@pytest.mark.parametrize("value", ["x", [1], {"val_accuracy": "x"}], ids=str)
def test_a_config_key_may_have_the_name_of_a_metric(backprop, run, value):
    record = json.loads((run / "run.json").read_text())
    record["experiment"]["layers"] = {"val_accuracy": value}
    (run / "run.json").write_text(json.dumps(record))
    for words in COMMANDS:
        assert backprop(*words).code == 0
