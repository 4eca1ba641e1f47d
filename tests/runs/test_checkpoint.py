import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from backprop_cli.errors import CheckpointError
from backprop_cli.runs.checkpoint import Checkpoint, Meta, read_checkpoint, to_bytes
from backprop_cli.training.state import TrainingStatus

META = Meta(
    experiment={"dataset": "digits", "layers": [3, 2], "λ": 0.5},
    status=TrainingStatus(epoch=3, step=2, seconds=0.5, best=(2, 0.9)),
    best={"epoch": 2, "train_cost": 0.1, "train_accuracy": 0.9, "val_cost": None, "val_accuracy": None},
    last=None,
    versions={"numpy": "2"},
)


@pytest.fixture
def checkpoint():
    rng = np.random.default_rng(0)
    shapes = {"W1": (2, 3), "b1": (2,), "W2": (2, 1, 5, 5), "b2": (2,)}
    parameters = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    return Checkpoint(META, parameters, {"optimizer.v": rng.random(16, np.float32)})


@pytest.fixture
def path(tmp_path, checkpoint):
    (tmp_path / "c.npz").write_bytes(to_bytes(checkpoint))
    return tmp_path / "c.npz"


def entries(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewrite(path, changes, compression=zipfile.ZIP_STORED):
    content = entries(path) | changes
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in content.items():
            if data is not None:
                file.writestr(name, data)


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=allow_pickle)
    return file.getvalue()


def test_a_checkpoint_survives_a_round_trip(path, checkpoint):
    back = read_checkpoint(path)
    assert back.meta == checkpoint.meta
    assert list(back.parameters) == list(checkpoint.parameters)
    for name, array in checkpoint.parameters.items():
        np.testing.assert_array_equal(back.parameters[name], array)
    np.testing.assert_array_equal(back.arrays["optimizer.v"], checkpoint.arrays["optimizer.v"])


def test_equal_checkpoints_are_equal_bytes(checkpoint):
    assert to_bytes(checkpoint) == to_bytes(checkpoint)


def test_a_checkpoint_can_be_read_with_numpy_alone(path, checkpoint):
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == {"W1", "b1", "W2", "b2", "optimizer.v", "meta"}
        np.testing.assert_array_equal(file["W2"], checkpoint.parameters["W2"])
        assert json.loads(str(file["meta"]))["status"]["epoch"] == 3


def test_every_flipped_byte_is_detected_or_harmless(path, checkpoint):
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        try:
            back = read_checkpoint(path)
        except CheckpointError:
            continue
        assert to_bytes(back) == to_bytes(checkpoint)


def test_every_truncation_is_detected(path):
    data = path.read_bytes()
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match="c.npz: "):
            read_checkpoint(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W1.npy": npy(np.zeros((2, 3), np.float32))}, "SHA-256"),
        ({"W1.npy": None}, "SHA-256"),
        ({"meta.npy": None}, "no meta"),
        ({"meta.npy": npy("{}")}, "its meta is not as expected"),
        ({"meta.npy": npy("[" * 100_000)}, "its meta is not as expected"),
        ({"meta.npy": npy(np.array([1.0]))}, "no array of the expected type"),
        ({"W1.npy": npy(np.array([{}]), allow_pickle=True)}, "no array as this program writes it"),
        ({"W1.npy": npy(np.zeros((2, 3), np.float16))}, "no array as this program writes it"),
        ({"W1.npy": npy(np.asfortranarray(np.ones((2, 3), np.float32)))}, "no array as this program writes it"),
        ({"W1.npy": b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((  \n"}, "no array as this program writes it"),
        ({"W1.npy": npy(np.zeros((2, 3), np.float32))[:-1]}, "no array of the expected type"),
        ({"evil.npy": npy(np.zeros(3))}, "it has an entry 'evil.npy'"),
        ({"../W1.npy": npy(np.zeros(3))}, "it has an entry"),
        ({"W1.npy": pickle.dumps("hello")}, "no array as this program writes it"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_changed_entry_is_refused(path, changes, message):
    rewrite(path, changes)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_a_header_that_declares_more_data_than_the_file_has_allocates_nothing(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**9)})
    rewrite(path, {"W1.npy": header.getvalue()})
    with pytest.raises(CheckpointError, match="expected type and size"):
        read_checkpoint(path)


def test_a_zip_bomb_is_refused_by_its_headers(path):
    rewrite(path, {"W1.npy": npy(np.zeros(10_000_000, np.float32))}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="larger than the file"):
        read_checkpoint(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"hello", b"\x93NUMPY" + b"\0" * 100], ids=repr)
def test_other_files_are_reported_as_not_a_checkpoint(tmp_path, data):
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"x\.npz: not a whole checkpoint"):
        read_checkpoint(tmp_path / "x.npz")


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        read_checkpoint(tmp_path / "none.npz")
