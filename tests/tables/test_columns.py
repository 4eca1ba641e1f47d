"""Tables in memory and in the cache."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.errors import DataError
from backprop_cli.tables import columns
from backprop_cli.tables.columns import EMPTY, IS_NUMBER, OTHER, read_columns
from backprop_cli.tables.store import Entry


@pytest.fixture
def table(tmp_path):
    def write(text, name="t.csv", age=10):
        path = tmp_path / name
        path.write_text(text)
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
        return path

    return write


def test_numbers_words_and_empty_cells_are_told_apart(table):
    found = read_columns(table("a,b\n1,x\n -2.5e1 ,y\n,x\n"))
    np.testing.assert_array_equal(found.numbers[:, 0], [1, -25, np.nan])
    np.testing.assert_array_equal(found.codes, [[IS_NUMBER, 0], [IS_NUMBER, 1], [EMPTY, 0]])
    assert (found.words, found.lines.tolist()) == (((), ("x", "y")), [2, 3, 4])


@pytest.mark.parametrize("cell", ["00123", "NA", "nan", "inf", "1_000", "1e999", "0x10", "1,5", "½", "--1", "1 2"])
def test_only_a_plain_number_is_a_number(table, cell):
    found = read_columns(table(f'a,b\n1,"{cell}"\n'))
    assert (found.codes[0, 1], found.words[1]) == (0, (cell,))


@pytest.mark.parametrize("cell", ["0", "0.5", "-0", "+7", ".5", "5.", "1E3", "-1.5e-07"])
def test_every_usual_form_of_a_number_is_one(table, cell):
    for rows in (f"x,{cell}\n", f"x,{cell}\nx,word\n"):  # all at once, and cell by cell
        found = read_columns(table(f"a,b\n{rows}", name=f"{len(rows)}.csv"))
        assert (found.codes[0, 1], found.numbers[0, 1]) == (IS_NUMBER, float(cell))


def test_a_cell_reads_back_as_text(table):
    found = read_columns(table("a,b\n3.0,x\n0.1,\n"))
    assert [found.text(row, column) for row in range(2) for column in range(2)] == ["3", "x", "0.1", ""]


def test_words_beyond_the_most_that_are_kept_are_all_alike(table, monkeypatch):
    monkeypatch.setattr(columns, "MAX_WORDS", 2)
    assert read_columns(table("a,b\n1,x\n2,y\n3,z\n4,x\n")).codes[:, 1].tolist() == [0, 1, OTHER, 0]


def test_a_table_of_several_chunks_is_that_of_one(table, monkeypatch):
    text = "a,b\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(100))
    whole = read_columns(table(text, "one.csv"))
    monkeypatch.setattr(columns, "CHUNK", 7)
    parts = read_columns(table(text, "two.csv"))
    for name in ("numbers", "codes", "lines"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_a_stored_table_is_that_in_the_file_and_is_not_read_again(table, tmp_path, monkeypatch):
    path = table("a,b\n1,x\n2,\n")
    first = read_columns(path, tmp_path / "cache")
    columns._read.cache_clear()
    monkeypatch.setattr(columns, "Delimited", None)
    second = read_columns(path, tmp_path / "cache")
    for name in ("numbers", "codes", "lines"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name))
    assert (second.names, second.words, second.sha256) == (first.names, first.words, first.sha256)


def test_a_changed_file_is_read_again_and_the_old_copy_is_removed(table, tmp_path):
    cache = tmp_path / "cache"
    read_columns(table("a,b\n1,x\n"), cache)
    assert read_columns(table("a,b\n2,x\n", age=5), cache).numbers[0, 0] == 2
    assert len(list(cache.iterdir())) == 1


def test_a_file_that_was_written_just_now_is_not_stored(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n")
    os.utime(path)
    assert len(read_columns(path, tmp_path / "cache")) == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["table.json", "numbers", "codes", "lines"])
@pytest.mark.parametrize(
    "change", [lambda data: data[:7], lambda data: b"", lambda data: data + b"\0" * 8], ids=range(3)
)
def test_a_damaged_copy_is_made_again_from_the_file(table, tmp_path, damage, change):
    path, cache = table("a,b\n1,x\n2,y\n"), tmp_path / "cache"
    read_columns(path, cache)
    (stored,) = cache.iterdir()
    whole = (stored / damage).read_bytes()
    (stored / damage).write_bytes(change(whole))
    columns._read.cache_clear()
    assert read_columns(path, cache).numbers[:, 0].tolist() == [1, 2]
    assert (stored / damage).read_bytes() == whole


def test_every_flipped_bit_of_a_copy_is_noticed(table, tmp_path):
    path, cache = table("a,b\n1,x\n2,y\n"), tmp_path / "cache"
    read_columns(path, cache)
    (stored,) = cache.iterdir()
    entry = Entry(cache, *stored.name.split("-"))
    assert entry.load() is not None
    for part in stored.iterdir():
        whole = part.read_bytes()
        for bit in range(8 * len(whole)):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            part.write_bytes(data)
            assert entry.load() is None
        part.write_bytes(whole)
    assert entry.load() is not None


def test_what_a_killed_process_left_and_what_nobody_uses_is_removed(table, tmp_path):
    first, cache = table("a,b\n1,x\n", "first.csv"), tmp_path / "cache"
    read_columns(first, cache)
    (old,) = cache.iterdir()
    second = table("a,b\n2,x\n", "second.csv")
    read_columns(second, cache)
    (used,) = set(cache.iterdir()) - {old}
    (cache / f".{used.name.partition('-')[0]}.0badcafe.tmp").mkdir()
    os.utime(old, (0, 0))
    then = second.stat().st_mtime - 5
    os.utime(second, (then, then))
    read_columns(second, cache)
    (left,) = cache.iterdir()
    assert left.name.partition("-")[0] == used.name.partition("-")[0]


def test_two_processes_at_once_get_the_same_table_and_leave_one_copy(table, tmp_path):
    path, cache = table("a,b\n" + "".join(f"{k},{k % 3}x\n" for k in range(30_000))), tmp_path / "cache"
    code = "import sys; from pathlib import Path; from backprop_cli.tables.columns import read_columns\n"
    code += "t = read_columns(*map(Path, sys.argv[1:])); print(t.sha256, t.numbers[:, 0].sum())"
    command = [sys.executable, "-c", code, path, cache]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(said) == 1
    assert len(list(cache.iterdir())) == 1


def test_a_full_disk_is_no_error(table, tmp_path, monkeypatch):
    def full(self, part):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backprop_cli.tables.store.InFile.append", full)
    assert read_columns(table("a,b\n1,x\n"), tmp_path / "cache").numbers[0, 0] == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_complete_cache_may_be_read_only(table, tmp_path, monkeypatch):
    path, cache = table("a,b\n1,x\n"), tmp_path / "cache"
    read_columns(path, cache)
    columns._read.cache_clear()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(columns, "Delimited", None)
    assert read_columns(path, cache).numbers[0, 0] == 1


def test_a_file_that_changes_while_it_is_read_is_refused(table, tmp_path, monkeypatch):
    path = table("a,b\n" + "1,x\n" * 50)
    parse = columns.ColumnParser.parse

    def changing(self, cells):
        with path.open("a") as file:
            file.write("2,y\n")
        return parse(self, cells)

    monkeypatch.setattr(columns.ColumnParser, "parse", changing)
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(DataError, match="the file changed while it was read; try again"):
            read_columns(path, cache)


def test_a_cache_that_cannot_be_written_is_no_error(table, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert len(read_columns(table("a,b\n1,x\n"), blocker)) == 1


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError):
        read_columns(tmp_path, tmp_path / "cache")


def test_reading_a_large_table_takes_little_memory(table, tmp_path):
    path = table("a,b,c\n" + "".join(f"{i},{i / 7:.6f},{'xyz'[i % 3]}\n" for i in range(200_000)))
    tracemalloc.start()
    found = read_columns(path, tmp_path / "cache")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 200_000
    assert peak < 20e6  # a chunk of rows; the table itself would take 7.2 MB, its cells as text 30 MB
