import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_cli.errors import DataError
from backprop_cli.formats.idx import parse_idx


def idx(*shape, kind=0x08, payload=None):
    count = int(np.prod(shape))
    payload = bytes(range(count)) if payload is None else payload
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + payload


def test_an_idx_file_is_read_as_the_array_that_it_describes():
    np.testing.assert_array_equal(parse_idx(idx(2, 3), "x"), [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x1f\x8b\x08\x00", "not an IDX file"),
        (idx(2, 2, kind=0x0D), "expected unsigned bytes"),
        (idx(2, 2)[:9], "ends inside its header"),
        (idx(2, 2, payload=b"123"), "header declares 4 bytes, but 3 follow"),
        (idx(2, 2, payload=b"12345"), "header declares 4 bytes, but 5 follow"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16, "declares"),
    ],
)
def test_anything_else_is_refused_with_its_name(data, message):
    with pytest.raises(DataError, match=message) as error:
        parse_idx(data, "train-images")
    assert str(error.value).startswith("train-images: ")


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data):
    try:
        array = parse_idx(data, "x")
    except DataError:
        return
    assert array.nbytes < len(data)
