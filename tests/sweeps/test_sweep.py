import itertools
import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from statistics import fmean, stdev

import numpy as np
import pytest

import backprop_cli
from backprop_cli.data.cache import Cache
from backprop_cli.errors import BackpropError, ConfigError, RunError, UsageError
from backprop_cli.sweeps import dispatch, worker
from backprop_cli.sweeps.definition import define_sweep
from backprop_cli.sweeps.journal import open_journal
from backprop_cli.sweeps.sweep import open_sweep
from tests.cli.helpers import same_bits
from tests.conftest import ROOT
from tests.sweeps.helpers import CONFIG, OVER, Here, entries, journal, result_of, settings_of, sweep, weights

PRODUCT = list(itertools.product([0.5, 1, 2], [0, 1]))


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch):
    monkeypatch.setattr(dispatch, "DELAYS", (0, 0, 0))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    found = sweep(folder)
    return folder, found, weights(folder)


def test_a_grid_trains_every_combination_once(undisturbed):
    folder, found, _ = undisturbed
    assert settings_of(entries(folder)) == PRODUCT
    assert {entry["status"] for entry in entries(folder)} == {"finished"}
    assert sorted(path.name for path in folder.glob("sweep/*/")) == sorted({e["run"] for e in entries(folder)})
    assert found.exit_code == 0


def test_settings_are_compared_by_the_mean_over_their_seeds(undisturbed):
    _, found, _ = undisturbed
    for setting in found.settings:
        accuracies = [run.best["val_accuracy"] for run in found.runs(setting)]
        assert (setting.mean, setting.deviation) == pytest.approx((fmean(accuracies), stdev(accuracies)))
    means = [setting.mean for setting in found.settings]
    assert means == sorted(means, reverse=True)
    assert found.best is found.settings[0]


def test_only_the_best_setting_is_evaluated_on_the_test_split(undisturbed):
    folder, found, _ = undisturbed
    tested = {path.parent.name for path in folder.glob("sweep/*/run.json") if json.loads(path.read_text()).get("test")}
    assert tested == set(found.best.runs)
    for run, accuracy in zip(found.runs(found.best), found.test["accuracy"], strict=True):
        assert run.evaluate("test").metrics["accuracy"] == accuracy == run.test["accuracy"]


@pytest.mark.parametrize(("validation", "split"), [(10, "val"), (0, "train")])
def test_without_a_test_split_the_best_setting_is_found_and_not_tested(tmp_path, validation, split):
    rng = np.random.default_rng(0)
    x = rng.random((60, 3), np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0.5).astype(int))
    source = {"name": "arrays", "file": str(tmp_path / "data.npz"), "test": 0}
    config = {"dataset": source, "layers": [3, 4, 2], "epochs": 2, "validation": validation}
    found = sweep(tmp_path / "runs", {"eta": [1e-6, 1]}, config)
    assert (found.exit_code, found.test, found.best.metric) == (0, {}, f"{split}_accuracy")
    (run,) = found.runs(found.best)
    assert found.best.mean == run.evaluate(split).metrics["accuracy"]
    assert "not tested, as there is no test split" in found.to_text()
    assert f"backprop eval {run.path} --split {split}\n" in found.to_text()


def test_a_run_of_a_sweep_has_the_bits_of_train_with_its_config(undisturbed, tmp_path):
    folder, _, _ = undisturbed
    run = folder / "sweep" / "0002-s1"
    alone = backprop_cli.train(run / "config.yaml", runs_dir=tmp_path)
    assert same_bits(alone.path / "checkpoints/last.npz", run / "checkpoints/last.npz")
    assert alone.config.threads == 1


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_any_number_of_workers_gives_the_same(undisturbed, tmp_path, jobs):
    _, found, bits = undisturbed
    assert result_of(sweep(tmp_path, jobs=jobs)) == result_of(found)
    assert sorted(settings_of(entries(tmp_path))) == PRODUCT
    assert weights(tmp_path) == bits


def test_any_executor_of_concurrent_futures_gives_the_same(undisturbed, tmp_path):
    _, found, bits = undisturbed
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert result_of(sweep(tmp_path, executor=pool)) == result_of(found)
    assert weights(tmp_path) == bits


def test_the_same_call_again_trains_nothing_and_finds_the_same(undisturbed):
    folder, found, bits = undisturbed
    before = journal(folder).read_bytes()
    again = Here()
    assert result_of(sweep(folder, executor=again)) == result_of(found)
    assert len(again.calls) == 1  # the test metrics, which are there already
    assert (journal(folder).read_bytes(), weights(folder)) == (before, bits)


def test_a_sweep_can_be_given_more_trials_later(tmp_path):
    over = {"eta": "0.1..3:log"}
    sweep(tmp_path, over, trials=3)
    sweep(tmp_path, over, trials=5)
    sweep(tmp_path / "whole", over, trials=5)
    assert settings_of(entries(tmp_path)) == settings_of(entries(tmp_path / "whole"))


def test_another_sweep_of_that_name_is_refused(undisturbed):
    folder, _, _ = undisturbed
    with pytest.raises(UsageError, match=r"is another sweep \(it differs in: over\); choose another --name"):
        sweep(folder, {**OVER, "eta": [1, 2, 3]})


def test_a_sweep_that_is_running_is_not_started_twice(tmp_path):
    def start_again(number):
        with pytest.raises(RunError, match="this sweep is running already"):
            sweep(tmp_path)

    sweep(tmp_path, executor=Here(before=start_again))


def test_lost_runs_are_continued(undisturbed, tmp_path):
    def lose_every_other(number):
        if number % 2:
            raise BrokenExecutor("killed")

    found = sweep(tmp_path, executor=Here(before=lose_every_other))
    assert result_of(found)["settings"] == result_of(undisturbed[1])["settings"]


def test_a_run_that_is_lost_four_times_has_failed(tmp_path):
    def lose_one(number):
        if number <= 4:  # the first run, and what replaces it
            raise BrokenExecutor("killed")

    found = sweep(tmp_path, executor=Here(before=lose_one), stack="none")
    assert [(entry.run, entry.error) for entry in found.failed] == [("0001-s0", "lost 4 times: killed")]
    assert found.exit_code == 1
    assert found.settings[-1].trial == 0


def test_an_engine_that_takes_no_more_runs_ends_the_sweep_which_can_be_continued(undisturbed, tmp_path):
    class Gone(Here):
        def submit(self, function, *arguments):
            if len(self.calls) == 2:
                raise RuntimeError("closed")
            return super().submit(function, *arguments)

    with pytest.raises(BackpropError, match="the engine was lost: closed; to continue, repeat the command"):
        sweep(tmp_path, executor=Gone(), stack="none")
    assert len(entries(tmp_path)) == 2
    assert result_of(sweep(tmp_path)) == result_of(undisturbed[1])


def test_failed_runs_are_listed_and_trained_again_on_request(undisturbed, tmp_path):
    blocked = tmp_path / "sweep" / "0001-s1"
    blocked.mkdir(parents=True)
    (blocked / "notes.txt").write_text("not a run")
    found = sweep(tmp_path)
    assert [entry.run for entry in found.failed] == ["0001-s1"]
    assert "not a run's folder" in found.failed[0].error
    assert "try again with --retry-failed" in found.to_text()
    (blocked / "notes.txt").unlink()
    assert sweep(tmp_path).failed
    found = sweep(tmp_path, retry_failed=True)
    assert result_of(found) == result_of(undisturbed[1])
    assert weights(tmp_path) == undisturbed[2]


def test_a_sweep_whose_first_three_runs_fail_alike_stops_and_says_so_once(tmp_path):
    for number in range(1, 7):
        path = tmp_path / "sweep" / f"{number:04d}"
        path.mkdir(parents=True)
        (path / "notes.txt").write_text("not a run")
    with pytest.raises(BackpropError, match=r"the first 3 runs failed alike: .*not a run's folder"):
        sweep(tmp_path, {"eta": [1, 2, 3, 4, 5, 6]})
    assert len(entries(tmp_path)) == 3


def test_a_diverged_run_is_a_result_and_the_worst(tmp_path):
    over = {"eta": [1e30, 1], "activation": ["relu"]}
    found = sweep(tmp_path, over, {**CONFIG, "output": "identity"})
    assert [setting.status for setting in found.settings] == ["finished", "diverged"]
    assert (found.best.setting["eta"], found.exit_code) == (1, 0)
    sweep(tmp_path, over, {**CONFIG, "output": "identity"}, retry_failed=True)
    assert len(entries(tmp_path)) == 2


def test_if_all_runs_diverge_the_exit_code_says_so(tmp_path):
    found = sweep(tmp_path, {"eta": [1e30, 1e31], "activation": ["relu"]}, {**CONFIG, "output": "identity"})
    assert (found.exit_code, found.test) == (3, {})
    with pytest.raises(BackpropError, match="no run was finished"):
        _ = found.best


def test_the_journal_can_be_cut_at_every_byte(undisturbed, tmp_path):
    folder, found, bits = undisturbed
    whole = journal(folder).read_bytes()
    names = {entry["run"] for entry in entries(folder)}
    for size in range(len(whole)):
        journal(folder).write_bytes(whole[:size])
        if whole[size - 1 : size] != b"\n":  # reading is cheap, and a sweep takes longer
            head = json.loads(whole.splitlines()[0])
            with open_journal(folder / "sweep", head) as opened:
                assert len(opened.entries) == max(0, whole[:size].count(b"\n") - 1)
            continue
        again = Here()
        assert result_of(sweep(folder, executor=again)) == result_of(found)
        assert sorted(entry["run"] for entry in entries(folder)) == sorted(names)
    assert weights(folder) == bits


def test_damaged_lines_of_a_journal_are_found_again(undisturbed):
    folder, found, bits = undisturbed
    lines = journal(folder).read_text().splitlines(keepends=True)
    journal(folder).write_text("".join([lines[0], "\0\0\n", '{"trial": 0}\n', '{"trial": "x", "seed": 1}\n', "7\n"]))
    assert result_of(sweep(folder)) == result_of(found)
    assert weights(folder) == bits
    journal(folder).write_text("nothing\n")
    with pytest.raises(RunError, match="trials.jsonl:1:1: not the head of a sweep; remove the file"):
        sweep(folder)
    journal(folder).unlink()
    assert result_of(sweep(folder)) == result_of(found)


def test_tpe_that_is_interrupted_after_every_trial_suggests_the_same(tmp_path):
    over = {"eta": "0.01..3:log", "layers.1": "4..12", "activation": ["relu", "tanh"]}
    options = {"trials": 20, "sampler": "tpe", "ask": 4, "config": {**CONFIG, "epochs": 1}}
    sweep(tmp_path / "whole", over, **options)
    for trials in range(1, 21):
        sweep(tmp_path / "parts", over, **{**options, "trials": trials})
    parts, whole = ([{**entry, "seconds": 0} for entry in entries(tmp_path / name)] for name in ("parts", "whole"))
    assert parts == sorted(whole, key=lambda entry: entry["trial"])  # runs of one kind are trained together


def test_a_pruned_run_is_paused_and_resumes_to_the_bits_of_an_undisturbed_run(tmp_path):
    over = {"eta": [2, 1, 0.001, 0.002, 1.5, 0.003]}
    found = sweep(tmp_path, over, {**CONFIG, "epochs": 9}, prune="asha", ask=3)
    pruned = [entry for entry in entries(tmp_path) if entry["status"] == "pruned"]
    assert {entry["setting"]["eta"] for entry in pruned} >= {0.001, 0.002, 0.003}
    assert all(entry["epochs"] in (1, 3) for entry in pruned)
    assert found.best.setting["eta"] in (2, 1.5, 1)
    run = backprop_cli.resume(tmp_path / "sweep" / pruned[0]["run"])
    alone = backprop_cli.train(run.path / "config.yaml", runs_dir=tmp_path / "alone")
    assert same_bits(run.path / "checkpoints/last.npz", alone.path / "checkpoints/last.npz")


@pytest.mark.parametrize("prune", ["median", "asha"])
def test_pruning_counts_the_epochs_after_pre_training(tmp_path, prune):
    over = {"eta": [1, 0.5, 2, 0.2, 0.3, 1e-6, 1e-5]}
    config = {**CONFIG, "epochs": 9, "activation": "relu", "pretrain": {"name": "autoencoder", "epochs": 4}}
    found = sweep(tmp_path, over, {**config, "layers": [64, 8, 6, 10]}, prune=prune)
    pruned = [entry for entry in entries(tmp_path) if entry["status"] == "pruned"]
    assert {entry["setting"]["eta"] for entry in pruned} >= {1e-6, 1e-5}
    assert all(entry["epochs"] in (2 * 4 + 1, 2 * 4 + 3) for entry in pruned)
    assert {entry["epochs"] for entry in entries(tmp_path) if entry["status"] == "finished"} == {2 * 4 + 9}
    assert found.best.metric == "val_accuracy"
    run = backprop_cli.resume(tmp_path / "sweep" / pruned[0]["run"])
    alone = backprop_cli.train(run.path / "config.yaml", runs_dir=tmp_path / "alone")
    assert same_bits(run.path / "checkpoints/last.npz", alone.path / "checkpoints/last.npz")


@pytest.mark.parametrize("prune", ["median", "asha", "hyperband"])
def test_pruning_depends_on_results_and_not_on_workers_or_interruptions(tmp_path, prune):
    over = {"eta": [2, 1, 0.001, 0.002, 1.5, 0.003, 0.5], "seed": [0, 1]}
    options = {"config": {**CONFIG, "epochs": 9}, "prune": prune, "ask": 4}
    whole = result_of(sweep(tmp_path / "one", over, **options))
    assert result_of(sweep(tmp_path / "two", over, jobs=2, **options)) == whole
    path = journal(tmp_path / "two")
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in (1, len(lines) // 3, len(lines) - 2):
        path.write_bytes(b"".join(lines[:kept]))
        assert result_of(sweep(tmp_path / "two", over, **options)) == whole


def test_only_the_best_folders_are_kept_if_so_wanted(tmp_path):
    found = sweep(tmp_path, keep="best 2")
    kept = {run for setting in found.settings[:2] for run in setting.runs}
    assert {path.parent.name for path in tmp_path.glob("sweep/*/run.json")} == kept
    assert len(entries(tmp_path)) == 6
    assert result_of(sweep(tmp_path, keep="best 2")) == result_of(found)


def test_many_runs_need_a_word_on_how_many_are_kept(tmp_path):
    with pytest.raises(UsageError, match="20,000 runs take about 1.8 GB .* sweep.keep='best 100'"):
        sweep(tmp_path, {"eta": "0.1..1"}, trials=20_000)


def test_a_time_limit_interrupts_a_sweep_that_can_be_continued(undisturbed, tmp_path):
    found = sweep(tmp_path, time=1e-9)
    assert (found.counts, found.test) == ({}, {})
    assert "6 to train: repeat the command" in found.to_text()
    assert result_of(sweep(tmp_path)) == result_of(undisturbed[1])


def test_shards_train_parts_and_the_whole_command_joins_them(undisturbed, tmp_path):
    definition = define_sweep(CONFIG, [], "here", {"over": OVER})
    for part in (1, 2):
        opened = open_sweep(definition, tmp_path, Cache(), name="sweep", executor=Here(), shard=(part, 2))
        with opened as driver:
            trained = [entry.trial for entry in driver.run()]
        assert trained == [trial for trial in (0, 0, 1, 1, 2, 2) if trial % 2 == part - 1]
    again = Here()
    assert result_of(sweep(tmp_path, executor=again)) == result_of(undisturbed[1])
    assert weights(tmp_path) == undisturbed[2]


def test_a_shard_of_a_sweep_that_decides_by_results_is_refused(tmp_path):
    definition = define_sweep(CONFIG, [], "here", {"over": OVER, "prune": "asha"})
    with (
        pytest.raises(UsageError, match="--shard: this sweep decides by results"),
        open_sweep(definition, tmp_path, Cache(), executor=Here(), shard=(1, 2)),
    ):
        pass


@pytest.mark.parametrize("cpus", [1, 2, 5])
@pytest.mark.parametrize(("words", "jobs"), [([], None), ([], 1), ([], 2), (["threads=2"], None)], ids=str)
def test_workers_times_threads_are_no_more_than_the_cpus(tmp_path, monkeypatch, cpus, words, jobs):
    monkeypatch.setattr("backprop_cli.sweeps.sweep.cores", lambda: cpus)
    definition = define_sweep(CONFIG, words, "here", {"over": OVER})
    with open_sweep(definition, tmp_path, Cache(), jobs=jobs) as driver:
        threads = 2 if words else driver.threads
        assert driver.jobs * threads <= max(cpus, jobs or threads)  # what was asked for is not reduced


def test_a_run_that_belongs_to_another_experiment_is_not_touched(tmp_path):
    run = backprop_cli.train(CONFIG, runs_dir=tmp_path / "sweep", name="0001-s0")
    before = (run.path / "run.json").read_bytes()
    found = sweep(tmp_path)
    assert "is a run of another experiment" in found.failed[0].error
    assert (run.path / "run.json").read_bytes() == before


def test_a_checkpoint_that_a_failing_machine_damaged_is_trained_anew(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "stopping", lambda: True)
    assert sweep(tmp_path).counts == {}
    monkeypatch.undo()
    for path in tmp_path.glob("sweep/*/checkpoints/*"):
        path.write_bytes(b"")
    assert result_of(sweep(tmp_path)) == result_of(undisturbed[1])
    assert weights(tmp_path) == undisturbed[2]


def test_errors_in_the_arguments_are_those_of_a_config():
    with pytest.raises(ConfigError, match="keyword argument: epoch=3: unknown key 'epoch'"):
        backprop_cli.sweep(CONFIG, {"eta": [1, 2]}, epoch=3)
    with pytest.raises(ConfigError, match="sweep.trials must be at least 1"):
        backprop_cli.sweep(CONFIG, {"eta": "0.1..1"}, trials=0)


@pytest.mark.parametrize("words", [["script.py"], ["-m", "script"], ["-c", "import script"]], ids=" ".join)
def test_a_script_needs_no_guard_against_being_run_by_the_workers(tmp_path, words):
    (tmp_path / "script.py").write_text(
        f"import backprop_cli\nprint('begun')\nbackprop_cli.sweep({CONFIG}, {OVER}, name='sweep', jobs=2)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "begun\n", "")
    assert len(entries(tmp_path / "runs")) == 6
