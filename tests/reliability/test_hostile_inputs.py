"""Files to predict: what a header, a cell or a file may declare, and what is refused before it takes effect."""

import io
import os
import random
import struct

import numpy as np
import pytest

from backprop_cli.errors import UnreadableError
from backprop_cli.inputs import files as inputs
from backprop_cli.inputs.files import read_inputs
from backprop_cli.sources.digits import Digits
from backprop_cli.sources.synthetic import Sine, Xor
from tests.reliability.limits import Limits


def npy(header, payload=b"", version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + payload


def header(descr="'<f4'", fortran=False, shape="(1, 64)"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()


def saved(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


DIGITS = Digits()
VALUES = np.linspace(0, 1, 64, dtype="<f4").tobytes()


def read(tmp_path, data, source=DIGITS, name="x.npy", dtype="float32"):
    path = tmp_path / name
    path.write_bytes(data)
    return np.concatenate(list(read_inputs(str(path), source, dtype)))


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i8", "<f4", ">f8", "<f2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_every_numeric_array_of_numpy_is_read(tmp_path, dtype, order, version):
    values = np.asarray(np.arange(128).reshape(2, 64) % 2, dtype, order=order)
    assert np.array_equal(read(tmp_path, saved(values, version=version)) != 0, values)


def test_an_array_without_examples_is_read(tmp_path):
    assert read(tmp_path, saved(np.zeros((0, 64)))).shape == (0, 64)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (npy(header("[]", shape="(-1,)"), bytes(64)), "not a complete"),
        (npy(header("'|V0'"), bytes(64)), "an array of type"),
        (npy(header("[('a', '<f4')]"), bytes(256)), "an array of type"),
        (npy(header("'<U9'"), bytes(64)), "an array of type"),
        (npy(header("'<f3'"), bytes(192)), "an array of type"),
        (npy(header("'|O'"), bytes(64)), "Python objects"),
        (npy(b"[\n"), "not a complete"),
        (npy(b"-" * 3000 + b"1\n"), "not a complete"),
        (npy(header(shape="(-1, 64)"), bytes(256)), "not a complete"),
        (npy(header(shape="(True,)"), bytes(256)), "not a complete"),
        (npy(header(shape="(1L, 64L)"), bytes(256)), "not a complete"),
        (npy(header(shape="(9223372036854775807,)"), bytes(256)), "not a complete|announces"),
        (npy(header(shape="(1000000000, 64)"), bytes(256)), "announces 256,000,000,000 bytes, but 256 follow"),
        (npy(header(), bytes(257)), "announces 256 bytes, but 257 follow"),
        (npy(header("('<f4',)"), bytes(256)), "not a complete"),
        (npy(header(), bytes(256), version=9), "not a complete"),
        (npy(b"{" * 20_000), "not a complete"),
        (b"\x93NUMPY", "not a complete"),
        (b"", "not a complete"),
    ],
    ids=range(19),
)
def test_a_header_is_checked_before_it_takes_effect(tmp_path, data, reason):
    with pytest.raises(UnreadableError, match=reason):
        read(tmp_path, data)


def test_more_numbers_than_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("backprop_cli.formats.npy.MAX_BYTES", 1 << 30)
    path = tmp_path / "x.npy"
    path.write_bytes(npy(header("'<f8'", shape="(10000000, 64)")))
    os.truncate(path, path.stat().st_size + 8 * 64 * 10**7)  # sparse: takes no space
    with pytest.raises(UnreadableError, match="more than 1 GB"):
        read_inputs(str(path), Digits(), "float32")


def test_more_rows_than_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("backprop_cli.formats.npy.MAX_BYTES", 1 << 10)
    with pytest.raises(UnreadableError, match="split it into several files"):
        read(tmp_path, b"0,1\n" * 100, Xor(), "x.csv")


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_LINE", 1000)
    with pytest.raises(UnreadableError, match="a line of more than 1,000 characters"):
        read(tmp_path, b"1" * 2000, Xor(), "x.csv")


@pytest.mark.parametrize("cell", ["1_0", "１", "٣", "0x1", "1e", "nan", "inf", "-Infinity", "1e999"])
def test_only_plain_finite_numbers_are_numbers(tmp_path, cell):
    (tmp_path / "x.csv").write_text(f"0,1\n0,{cell}\n", encoding="utf-8")
    batch = read_inputs(str(tmp_path / "x.csv"), Xor(), "float64")
    assert batch.problems == [(f"{tmp_path}/x.csv:2", f"{cell!r} is not a finite number")]


def test_a_row_of_nan_is_not_a_header(tmp_path):
    (tmp_path / "x.csv").write_text("nan,nan\n")
    assert len(read_inputs(str(tmp_path / "x.csv"), Xor(), "float64").problems) == 1


@pytest.mark.parametrize("name", ["x.csv", "x.npy"])
def test_a_number_too_large_for_float32_is_refused(tmp_path, name):
    data = b"1e300\n" if name == "x.csv" else saved(np.array([1e300]))
    with pytest.raises(UnreadableError, match="not finite in float32"):
        read(tmp_path, data, Sine(), name)
    assert read(tmp_path, data, Sine(), name, "float64") == [[1e300]]


@pytest.mark.parametrize("name", ["x.csv", "x.npy", "x.png"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_inputs(str(tmp_path / name), Digits(), "float32")


def test_a_device_is_not_read(tmp_path):
    (tmp_path / "x.csv").symlink_to("/dev/zero")
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_inputs(str(tmp_path / "x.csv"), Xor(), "float32")


PIECES = [
    b"",
    b"(",
    b")",
    b"[",
    b"]",
    b"-",
    b"'",
    b"'|V0'",
    b"'|O'",
    b"True",
    b"None",
    b"9" * 30,
    b"1e3",
    b"\0",
    b"\xff",
]
PIECES += [b"L", b"{", b"lambda: 0", b"'f4,f4'", b"'<M8'", b"'<c8'", b",", b"  ", b"\n", b"'shape'", b"(0,)", b"()"]


def mutated(rng):
    data = bytearray(header(shape=rng.choice(("(1, 64)", "(64,)", "(8, 8)", "(0, 64)"))))
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(data))
        data[place : place + rng.choice((0, 1, 1, 5))] = rng.choice((*PIECES, rng.randbytes(1)))
    return npy(bytes(data), VALUES[: rng.choice((256, 256, 255, 0))], rng.choice((1, 1, 1, 2, 3)))


def check_mutants(tmp_path, count, seed):
    """Read so many mutants; return how many are arrays, and the limits. NumPy reads the same numbers from these."""
    rng, limits, n_read = random.Random(seed), Limits(), 0
    for _ in range(count):
        data = mutated(rng)
        try:
            with limits.hold(data):
                x = read(tmp_path, data)
        except UnreadableError:
            continue
        n_read += 1
        expected = np.load(io.BytesIO(data)).astype("float32")
        pixels = expected.size and expected.max() > 1
        assert np.array_equal(x.ravel(), expected.ravel() / 16 if pixels else expected.ravel())
    return n_read, limits


def test_a_mutated_header_is_an_array_or_an_error(tmp_path):
    assert 0 < check_mutants(tmp_path, 1000, seed=1)[0] < 1000


@pytest.mark.long
def test_many_mutated_headers_are_arrays_or_errors(tmp_path):
    n_read, limits = check_mutants(tmp_path, 20_000, seed=2)
    print(f"20,000 .npy headers, {n_read} arrays: {limits}")
