"""Reading rows of delimited text, and refusing what is none."""

import gzip
import hashlib

import pytest

from backprop_cli.errors import DataError
from backprop_cli.tables.delimited import Delimited


def read(path):
    with Delimited(path) as file:
        return file, list(file)


def written(tmp_path, data, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_a_quoted_one_is_part_of_the_cell(tmp_path, mark):
    file, rows = read(written(tmp_path, f'a{mark}b\n1{mark}"x{mark}y"\n'))
    assert (file.delimiter, file.names, rows) == (mark, ("a", "b"), [(2, ["1", f"x{mark}y"])])


def test_a_row_has_the_number_of_its_first_line(tmp_path):
    _, rows = read(written(tmp_path, 'a,b\n\n1,"two\nlines"\n3,4\n'))
    assert [line for line, _ in rows] == [3, 5]


def test_a_first_row_with_a_number_is_no_header(tmp_path):
    file, rows = read(written(tmp_path, "1.5,red\n2,blue\n"))
    assert file.names == ("1", "2")
    assert [cells for _, cells in rows] == [["1.5", "red"], ["2", "blue"]]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_cell(tmp_path):
    file, rows = read(written(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n"))
    assert (file.names, rows) == (("a", "b"), [(2, ["1", "2"])])


def test_an_unnamed_column_gets_a_name(tmp_path):
    assert read(written(tmp_path, ",x\n0,1\n"))[0].names == ("column 1", "x")


def test_a_gzipped_file_reads_as_the_plain_one_and_the_digest_is_that_of_the_file(tmp_path):
    data = gzip.compress(b"a,b\n1,2\n")
    file, rows = read(written(tmp_path, data, "t.csv.gz"))
    assert (rows, file.sha256) == ([(2, ["1", "2"])], hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("data", "place", "problem"),
    [
        (b"", "", "the file is empty"),
        (b"\n\n", "", "the file is empty"),
        (b"a,b\n1,2\n3\n", ":3", "1 cell, but the first row has 2"),
        (b"a,b\n1,2,3\n", ":2", "3 cells, but the first row has 2"),
        (b"a,b,a\n1,2,3\n", ":1", "duplicate column name a"),
        (b'a,b\n1,2\n"3,4\n5,6\n', ":3", "a double quote opens here and is never closed"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", ":2", "a cell of more than 131,072 characters"),
        (b"a,b\n1," + b'"' + b"x\n" * 200_000, ":2", "is a double quote never closed?"),
        ("a,b\nä,2\n".encode("latin-1"), ":2", "not UTF-8 text, at byte 1; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), ":1", "not UTF-8 text"),
        (b"a\0b,c\n1,2\n", ":1", "a binary file"),
        (b"\x89PNG\r\n\x1a\n", ":1", "not UTF-8 text"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, data, place, problem):
    path = written(tmp_path, data)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}{place}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:40]])
def test_a_damaged_gzip_file_is_refused(tmp_path, data):
    with pytest.raises(DataError, match="not a complete gzip file"):
        read(written(tmp_path, data, "t.csv.gz"))


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("backprop_cli.tables.delimited.FREE_BYTES", 1 << 20)
    path = written(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 2_000_000, 9), "t.csv.gz")
    monkeypatch.setattr("backprop_cli.tables.delimited.MAX_RATIO", 100)
    with pytest.raises(DataError, match="grows to more than 100 times its size"):
        read(path)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("backprop_cli.tables.delimited.MAX_LINE", 1000)
    with pytest.raises(DataError, match="a line of more than 1,000 bytes"):
        read(written(tmp_path, b"a,b\n" + b"1" * 5000))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read(path)
