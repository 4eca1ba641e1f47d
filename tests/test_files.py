"""Reads are bounded, writes are atomic or go where a stream goes, and a lock has one holder."""

import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from backprop_cli import files
from backprop_cli.files import atomic_write, hold_lock, is_locked, read_regular_file, with_path_in_error
from tests.conftest import ROOT

PYTHON = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_file_of_exactly_the_size_limit_is_read(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular_file(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular_file(tmp_path / "x", 4)


@pytest.mark.parametrize("target", ["/dev/zero", "pipe", "."])
def test_only_regular_files_are_read(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "x").symlink_to(target)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular_file(tmp_path / "x", 5)


def test_a_link_is_followed_when_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for data in (b"new", b"replaced"):  # dangling at first
        atomic_write(tmp_path / "link", data)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "file").read_bytes() == data
    assert os.listdir(tmp_path / "folder") == ["file"]


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    atomic_write(tmp_path / "pipe", b"data" * 50_000)
    reader.join(timeout=10)
    assert received == [b"data" * 50_000]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
def test_a_device_stays_a_device(tmp_path):
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices in this container")
    atomic_write(tmp_path / "null", b"data")
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)


@pytest.mark.parametrize("mode", [">", ">>"])
def test_the_file_that_is_stdout_is_appended_to(tmp_path, mode):
    (tmp_path / "log").write_text("before\n" if mode == ">>" else "")
    script = "from pathlib import Path; from backprop_cli.files import atomic_write\n"
    script += "print('one', flush=True); atomic_write(Path('/dev/stdout'), b'two\\n'); print('three')"
    line = f'{sys.executable} -c "$0" {mode} log'
    subprocess.run(["bash", "-c", line, script], cwd=tmp_path, env=PYTHON, check=True, timeout=20)
    assert (tmp_path / "log").read_text() == ("before\n" if mode == ">>" else "") + "one\ntwo\nthree\n"


def test_the_longest_legal_name_can_be_written(tmp_path):
    for name in ("x" * 255, "é" * 127):
        atomic_write(tmp_path / name, b"data")
        assert (tmp_path / name).read_bytes() == b"data"


def test_an_error_names_the_path_and_no_other(tmp_path):
    def fail():
        os.replace("a-b-c", "d")

    with pytest.raises(FileNotFoundError) as error, with_path_in_error(tmp_path):
        fail()
    assert str(error.value) == f"[Errno 2] No such file or directory: '{tmp_path}'"


def test_a_lock_has_one_holder_and_leaves_no_file(tmp_path):
    path = tmp_path / ".lock"
    assert not is_locked(path)
    with hold_lock(path):
        assert is_locked(path)
        with pytest.raises(BlockingIOError, match="locked by another process"), hold_lock(path):
            pass
    assert not is_locked(path)
    assert os.listdir(tmp_path) == []


def test_acquiring_waits_for_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LOCK_PATIENCE", 0)
    path, waits, order = tmp_path / ".lock", [], []
    ready = threading.Event()

    def second():
        with hold_lock(path, lambda: (waits.append(1), ready.set())):
            order.append("second")

    with hold_lock(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert ready.wait(10)
        order.append("first")
    thread.join(timeout=10)
    assert (order, waits) == (["first", "second"], [1])


def test_asking_for_a_lock_does_not_disturb_its_holder(tmp_path):
    path = tmp_path / ".lock"
    path.touch()
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            is_locked(path)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(200):
            with hold_lock(path):
                pass
            path.touch()
    finally:
        stop.set()
        for asker in askers:
            asker.join()


def test_the_death_of_the_holder_releases_the_lock(tmp_path):
    script = "import sys, time; from pathlib import Path; from backprop_cli.files import hold_lock\n"
    script += "with hold_lock(Path('.lock')): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=PYTHON, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        assert is_locked(tmp_path / ".lock")
        process.kill()
        process.wait(timeout=10)
    assert not is_locked(tmp_path / ".lock")
    with hold_lock(tmp_path / ".lock"):
        pass


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / ".lock").symlink_to("victim")
    with pytest.raises(OSError, match="ymbolic link"), hold_lock(tmp_path / ".lock"):
        pass
    assert not (tmp_path / "victim").exists()


def test_many_holders_take_turns(tmp_path):
    """Each adds 1 to a number that it reads and writes: without a lock some of them get lost."""
    (tmp_path / "n").write_text("0")

    def add():
        for _ in range(20):
            with hold_lock(tmp_path / ".lock", lambda: None):
                n = int((tmp_path / "n").read_text())
                time.sleep(0)
                (tmp_path / "n").write_text(str(n + 1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert (tmp_path / "n").read_text() == "160"
