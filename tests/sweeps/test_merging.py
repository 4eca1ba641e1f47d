"""Shards that are trained apart are joined to the sweep that one process would have made."""

import json
import shutil

import pytest

from backprop_cli.data.cache import Cache
from backprop_cli.errors import RunError, UsageError
from backprop_cli.sweeps.definition import define_sweep
from backprop_cli.sweeps.merging import merge_sweeps
from backprop_cli.sweeps.sweep import open_sweep
from tests.sweeps.helpers import CONFIG, OVER, Here, entries, journal, result_of, settings_of, sweep, weights


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    found = sweep(folder)
    return folder, found, weights(folder)


def train_shard(folder, part, parts, over=OVER):
    definition = define_sweep(CONFIG, [], "here", {"over": over})
    with open_sweep(definition, folder, Cache(), name="sweep", executor=Here(), shard=(part, parts)) as driver:
        list(driver.run())
        return driver.result()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The folders of three shards on machines that share no files."""
    folders = [tmp_path_factory.mktemp(f"machine{part}") for part in (1, 2, 3)]
    for part, folder in enumerate(folders, start=1):
        train_shard(folder, part, 3)
    return folders


def copies(shards, folder):
    return [shutil.copytree(shard, folder / str(i)) for i, shard in enumerate(shards)]


def sweeps_of(shards):
    return [shard / "sweep" for shard in shards]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_folders_of_shards_become_the_whole_sweep(undisturbed, shards, tmp_path, order):
    merged = merge_sweeps(sweeps_of(shards[i] for i in order), tmp_path / "sweep")
    assert (merged.results, merged.added, merged.copied) == (6, 6, 6)
    assert settings_of(entries(tmp_path)) == settings_of(entries(undisturbed[0]))
    again = Here()
    assert result_of(sweep(tmp_path, executor=again)) == result_of(undisturbed[1])
    assert len(again.calls) == 1  # the best setting on the test split
    assert weights(tmp_path) == undisturbed[2]


def test_shards_in_one_folder_are_joined_without_copies(undisturbed, tmp_path):
    for part in (1, 2):
        found = train_shard(tmp_path, part, 2)
        assert (found.missing, dict(found.test)) == (0, {})
        assert f"next        backprop runs merge {tmp_path / 'sweep'}" in found.to_text()
    merged = merge_sweeps([tmp_path / "sweep"])
    assert (merged.results, merged.added, merged.copied) == (6, 6, 0)
    again = Here()
    assert result_of(sweep(tmp_path, executor=again)) == result_of(undisturbed[1])
    assert len(again.calls) == 1


def test_merging_again_changes_nothing_and_adds_what_is_new(shards, tmp_path):
    target = tmp_path / "sweep"
    merge_sweeps(sweeps_of(shards[:2]), target)
    before = journal(tmp_path).read_bytes()
    assert merge_sweeps(sweeps_of(shards[:2]), target).added == 0
    assert journal(tmp_path).read_bytes() == before
    assert merge_sweeps(sweeps_of(shards), target).added == 2
    assert journal(tmp_path).read_bytes().startswith(before)


def test_a_merge_that_was_interrupted_is_repeated(undisturbed, shards, tmp_path):
    merge_sweeps(sweeps_of(shards), tmp_path / "sweep")
    data = journal(tmp_path).read_bytes()
    journal(tmp_path).write_bytes(data[: len(data) // 2])
    merge_sweeps(sweeps_of(shards), tmp_path / "sweep")
    assert journal(tmp_path).read_bytes() == data
    assert result_of(sweep(tmp_path)) == result_of(undisturbed[1])


def test_different_results_of_a_run_are_an_error_and_nothing_is_changed(shards, tmp_path):
    first, second = copies([shards[0], shards[0]], tmp_path)
    lines = next(second.glob("sweep/trials-*")).read_text().splitlines()
    changed = json.loads(lines[1])
    changed["best"]["val_accuracy"] = 0.123
    journal_of = next(second.glob("sweep/trials-*"))
    journal_of.write_text("\n".join([lines[0], json.dumps(changed), *lines[2:], ""]))
    with pytest.raises(RunError, match=r"different results of the same run: .*0001-s0 and .*0001-s0; nothing"):
        merge_sweeps(sweeps_of([first, second]), tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_a_run_that_failed_in_one_place_and_finished_in_another_is_finished(shards, tmp_path):
    first, second = copies([shards[0], shards[0]], tmp_path)
    path = next(first.glob("sweep/trials-*"))
    head, line, *rest = path.read_text().splitlines()
    failed = {**json.loads(line), "status": "failed", "error": "no space left"}
    path.write_text("\n".join([head, json.dumps(failed), *rest, ""]))
    for order in ([first, second], [second, first]):
        target = tmp_path / f"{order[0].name}-first"
        merge_sweeps(sweeps_of(order), target / "sweep")
        assert {entry["status"] for entry in entries(target)} == {"finished"}


def test_parts_of_different_sweeps_are_refused(shards, tmp_path):
    train_shard(tmp_path, 1, 2, {**OVER, "eta": [3]})
    with pytest.raises(UsageError, match=r"is another sweep than .* \(it differs in: over\)"):
        merge_sweeps([*sweeps_of(shards[:1]), tmp_path / "sweep"], tmp_path / "all")


def test_a_part_that_is_being_trained_is_not_merged(shards, tmp_path):
    definition = define_sweep(CONFIG, [], "here", {"over": OVER})
    with (
        open_sweep(definition, tmp_path, Cache(), name="sweep", executor=Here(), shard=(1, 3)),
        pytest.raises(RunError, match="this sweep is running"),
    ):
        merge_sweeps([tmp_path / "sweep"])


def test_a_run_of_something_else_in_the_way_is_not_replaced(shards, tmp_path, backprop):
    words = ("eta=9", "epochs=1", "--name", "0001-s0", "--runs-dir", tmp_path / "sweep")
    assert backprop("train", "digits", *words).code == 0
    with pytest.raises(RunError, match="0001-s0 is a run of another experiment than"):
        merge_sweeps(sweeps_of(shards), tmp_path / "sweep")


def test_the_command_says_what_it_did(shards, tmp_path, backprop):
    folders = sweeps_of(shards)
    done = backprop("runs", "merge", *folders, "--into", tmp_path / "sweep")
    assert (done.code, done.out) == (0, f"{tmp_path / 'sweep'}: 6 results, 6 new; 6 runs copied\n")
    done = backprop("runs", "merge", *folders, "--into", tmp_path / "sweep", "--json")
    assert json.loads(done.out) == {"path": str(tmp_path / "sweep"), "results": 6, "added": 0, "copied": 0}
    refused = backprop("runs", "merge", tmp_path)
    assert (refused.code, "not the folder of a sweep (no trials.jsonl)" in refused.err) == (2, True)
