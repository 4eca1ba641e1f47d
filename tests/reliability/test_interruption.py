"""A run that is killed or interrupted at any moment resumes to bit-identical weights."""

import json
import random
import shutil
import signal
from itertools import cycle

import pytest

from backprop_cli.runs.checkpoint import read_checkpoint
from tests.cli.helpers import numbers, same_bits
from tests.reliability.conftest import fault
from tests.reliability.experiments import EXPERIMENTS, FILES

TRAIN = ("train", "some.yaml", "--name", "run")
SAVING = "open write fsync rename"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}


@pytest.fixture(scope="module")
def undisturbed(forks, tmp_path_factory):
    return run_undisturbed(forks, tmp_path_factory.mktemp("place"), EXPERIMENTS["momentum"])


def run_undisturbed(forks, place, config):
    """A folder with a config and, below `good`, its run; the seconds that takes, and its calls that save something."""
    (place / "some.yaml").write_text(config)
    for name, write in FILES.items():
        if name in config:
            write(place)
    done = forks(*TRAIN, "--runs-dir", "good", cwd=place)
    assert done.code == 0
    calls = forks(*TRAIN, "--runs-dir", "runs", cwd=place, fault=fault(0, calls=SAVING)).seen
    return place, done.seconds, calls


def resume_and_compare(forks, place):
    """Resume the run, or start it anew if it was ended before there was one; compare it with the good one."""
    run = place / "runs/run"
    for path in run.rglob("*.npz"):
        read_checkpoint(path)
    if not (run / "run.json").exists():
        done = forks(*TRAIN, "--overwrite", cwd=place)
        assert done.code == 0, done.err
    elif json.loads((run / "run.json").read_text())["status"] != "finished":
        done = forks("resume", "run", cwd=place)
        assert done.code == 0, done.err
        assert "warning" not in done.err
    good = place / "good/run"
    for which in ("best", "last"):
        one, other = run / f"checkpoints/{which}.npz", good / f"checkpoints/{which}.npz"
        assert same_bits(one, other)
        assert read_checkpoint(one).meta == read_checkpoint(other).meta
    assert numbers(run / "metrics.csv") == numbers(good / "metrics.csv")
    assert outcome_of(run) == outcome_of(good)
    assert not list(run.rglob(".*.tmp"))


def outcome_of(run):
    """What run.json says of the result."""
    record = json.loads((run / "run.json").read_text())
    return {key: record[key] for key in ("status", "epochs", "best", "final", "test", "experiment")}


def kill_while_saving(forks, undisturbed, moments):
    place, _, calls = undisturbed
    for moment in moments:
        shutil.rmtree(place / "runs", ignore_errors=True)
        at = fault(1 + moment % calls, calls=SAVING, number=signal.SIGKILL)
        assert forks(*TRAIN, cwd=place, fault=at).code == -signal.SIGKILL
        resume_and_compare(forks, place)


def signal_at_times(forks, undisturbed, parts, kinds, wanted):
    """Send signals of some kinds in turn, at parts of the time of a whole run, until so many have met a run.

    Every third is sent twice. Return the longest time that a run took to end.
    """
    place, seconds, _ = undisturbed
    slowest, met = 0.0, 0
    while met < wanted:
        shutil.rmtree(place / "runs", ignore_errors=True)
        at, number = next(parts) * seconds, kinds[met % len(kinds)]
        twice = [(at + 0.002, number)] if met % 3 == 0 else []
        done = forks(*TRAIN, cwd=place, signals=((at, number), *twice))
        assert done.code in (CODES[number], 0), done
        assert "Traceback" not in done.err
        if done.code:
            met += 1
            slowest = max(slowest, done.seconds)
            record = place / "runs/run/run.json"
            if number != signal.SIGKILL and record.exists():
                assert json.loads(record.read_text())["status"] in ("interrupted", "finished")
        resume_and_compare(forks, place)
    assert slowest < 5
    return slowest


def kill_again_and_again(forks, undisturbed, rng, wanted, live):
    """Kill a run at random moments, and up to four times those that resume it, until so many kills have met one."""
    place, seconds, _ = undisturbed
    words, met, chains = ("--live",) * live, 0, 0
    while met < wanted:
        shutil.rmtree(place / "runs", ignore_errors=True)
        for _ in range(rng.choice((1, 2, 3, 5))):
            started = (place / "runs/run/run.json").exists()
            command = ("resume", "run") if started else (*TRAIN, "--overwrite")
            at = ((rng.random() * seconds, signal.SIGKILL),)
            done = forks(*command, *words, cwd=place, signals=at, terminal=live)
            if done.code == 0:
                break
            assert done.code == -signal.SIGKILL, done
            met += 1
        resume_and_compare(forks, place)
        chains += 1
    print(f"killed {met} times in {chains} runs")


def signal_while_saving(forks, undisturbed, moments):
    place, _, calls = undisturbed
    for moment in moments:
        number = (signal.SIGINT, signal.SIGTERM)[moment % 2]
        shutil.rmtree(place / "runs", ignore_errors=True)
        twice = moment % 3 == 0
        at = fault(1 + moment % (calls - 1), calls=SAVING, number=number, forever=twice)
        done = forks(*TRAIN, cwd=place, fault=at)
        assert done.code == CODES[number], done
        assert done.seconds < 5
        resume_and_compare(forks, place)


def test_a_kill_while_saving_leaves_the_old_or_the_new_checkpoint(forks, undisturbed):
    kill_while_saving(forks, undisturbed, (7, 60, 101))


def test_a_kill_at_any_time_can_be_resumed(forks, undisturbed):
    signal_at_times(forks, undisturbed, cycle((0.3, 0.6)), [signal.SIGKILL], 2)


def test_a_signal_at_any_time_saves_and_stops(forks, undisturbed):
    signal_at_times(forks, undisturbed, cycle((0.0, 0.4, 0.6)), [signal.SIGINT, signal.SIGTERM], 3)


def test_a_signal_while_saving_completes_the_save(forks, undisturbed):
    signal_while_saving(forks, undisturbed, (6, 95, 151))


@pytest.mark.long
def test_hundreds_of_kills_lose_nothing(forks, undisturbed):
    calls = undisturbed[2]
    kill_while_saving(forks, undisturbed, range(calls))
    signal_at_times(forks, undisturbed, moments(1), [signal.SIGKILL], 200)
    print(f"killed at each of {calls} calls while saving, and at 200 random moments")
    assert calls >= 50


OTHERS = [(name, False) for name in EXPERIMENTS if name != "momentum"]


def test_a_resumed_run_that_is_killed_too_can_be_resumed(forks, tmp_path):
    place = run_undisturbed(forks, tmp_path, EXPERIMENTS["spirals, lbfgs"])
    kill_again_and_again(forks, place, random.Random(3), 3, live=False)


@pytest.mark.long
@pytest.mark.parametrize(("name", "live"), [*OTHERS, ("momentum", True)], ids=str)
def test_a_hundred_kills_of_each_experiment_lose_nothing(forks, tmp_path, name, live):
    place = run_undisturbed(forks, tmp_path, EXPERIMENTS[name])
    kill_again_and_again(forks, place, random.Random(name), 150, live)


@pytest.mark.long
def test_hundreds_of_interruptions_lose_nothing(forks, undisturbed):
    calls = undisturbed[2]
    signal_while_saving(forks, undisturbed, range(calls))
    slowest = signal_at_times(forks, undisturbed, moments(2), [signal.SIGINT, signal.SIGTERM], 100)
    print(f"interrupted at each of {calls} calls while saving, and at 100 random moments; out within {slowest:.2f} s")


def moments(seed):
    times = random.Random(seed)
    while True:
        yield times.random()
