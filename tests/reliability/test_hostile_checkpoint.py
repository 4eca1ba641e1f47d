"""A hostile checkpoint is harmless: refused in time, in little memory, without pickle or any code of its own."""

import io
import json
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_cli.errors import CheckpointError
from backprop_cli.runs.checkpoint import Checkpoint, Meta, read_checkpoint, to_bytes
from backprop_cli.training.state import TrainingStatus
from tests.conftest import ROOT
from tests.reliability import mutants


def trained(backprop, tmp_path, layers):
    (tmp_path / "some.yaml").write_text(f"dataset: digits\nlayers: {layers}\nepochs: 1\noptimizer: momentum\n")
    assert backprop("train", "some.yaml", "--name", "run", "-q").code == 0
    return tmp_path / "runs/run/checkpoints/last.npz"


@pytest.fixture
def checkpoint(backprop, tmp_path):
    return trained(backprop, tmp_path, "64-100-10")


def assert_harmless(checkpoint, n_bytes, n_structures):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured in a way of Linux")
    words = [sys.executable, mutants.__file__, checkpoint, str(n_bytes), str(n_structures), "1"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    print(result)
    assert set(result["outcomes"]) == {"refused", "read"}
    assert result["outcomes"]["refused"] > 0.9 * (n_bytes + n_structures)
    assert result["forbidden"] == []
    assert result["slowest"] < 2
    assert result["memory"] < 2 * result["valid"] + 50


def test_hundreds_of_mutations_are_refused_or_harmless(checkpoint):
    assert_harmless(checkpoint, 150, 150)


@pytest.mark.long
def test_ten_thousand_mutations_of_bytes_and_two_thousand_of_structure_are_refused_or_harmless(backprop, tmp_path):
    assert_harmless(trained(backprop, tmp_path, "64-400-300-10"), 10_000, 2_000)


def test_the_command_line_says_it_in_a_line(backprop, checkpoint):
    rng, data = random.Random(3), checkpoint.read_bytes()
    for change in (mutants.change_bytes, mutants.change_structure) * 10:
        checkpoint.write_bytes(change(data, rng))
        done = backprop("eval", checkpoint)
        assert done.code in (0, 1, 2)
        assert "Traceback" not in done.err
        assert "This is a bug" not in done.err
        assert done.code == 0 or done.err.startswith("error: ")


def allocated(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(path):
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_a_directory_of_a_million_entries_is_refused_from_its_end(tmp_path):
    path = tmp_path / "c.npz"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 16) + b""
    directory = entry * 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 5, 5, len(directory), 0, 0)
    path.write_bytes(directory + end)
    assert allocated(lambda: refused(path)) < 10 << 20


def test_a_zip_bomb_of_entries_that_share_their_bytes_is_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("W1.npy", bytes(1 << 20))
        for i in range(2, 900):
            archive.writestr(f"W{i}.npy", b"")
            archive.filelist[-1].header_offset = 0
            archive.filelist[-1].file_size = archive.filelist[-1].compress_size = 1 << 20
    (tmp_path / "c.npz").write_bytes(file.getvalue())
    assert allocated(lambda: refused(tmp_path / "c.npz")) < 10 << 20


def test_a_file_of_a_terabyte_of_nothing_is_refused_at_once(tmp_path):
    path = tmp_path / "c.npz"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert allocated(lambda: refused(path)) < 10 << 20


def test_sizes_that_an_experiment_declares_are_compared_before_anything_is_allocated(backprop, checkpoint):
    good = read_checkpoint(checkpoint)
    meta = good.meta.model_copy(update={"experiment": {**good.meta.experiment, "layers": [64, 100_000, 10]}})
    checkpoint.write_bytes(to_bytes(Checkpoint(meta, good.parameters, good.arrays)))
    for words in (("eval", checkpoint), ("resume", "run", "--epochs", 2)):
        done = backprop(*words)
        assert done.code == 1
        assert "its arrays are not those of a network 64-100000-10" in done.err


shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=50)
@given(
    layers=st.lists(shapes, min_size=1, max_size=4),
    dtype=st.sampled_from([np.float32, np.float64]),
    names=st.lists(st.text("abcxyz_0123", min_size=1, max_size=8), max_size=3),
    epoch=st.integers(0, 2**40),
    words=st.dictionaries(st.text(max_size=20), st.text(max_size=20) | st.integers() | st.booleans(), max_size=4),
)
def test_every_checkpoint_comes_back_as_it_went(tmp_path_factory, layers, dtype, names, epoch, words):
    rng = np.random.default_rng(0)
    meta = Meta(experiment=words, status=TrainingStatus(epoch=epoch), best=None, last=None, versions={})
    parameters = {f"W{l}": rng.random(shape).astype(dtype) for l, shape in enumerate(layers, start=1)}
    arrays = {f"optimizer.{name}": rng.random(3).astype(dtype) for name in names}
    path = Path(tmp_path_factory.getbasetemp()) / "property.npz"
    path.write_bytes(to_bytes(Checkpoint(meta, parameters, arrays)))
    back = read_checkpoint(path)
    assert back.meta == meta
    assert to_bytes(back) == path.read_bytes()


@given(data=st.binary(max_size=400), end=st.booleans())
def test_no_bytes_at_all_can_do_more_than_be_refused(tmp_path_factory, data, end):
    path = Path(tmp_path_factory.getbasetemp()) / "bytes.npz"
    size = len(data).to_bytes(4, "little")
    path.write_bytes(data + (b"PK\5\6" + bytes(8) + size + bytes(6) if end else b""))
    refused(path)
