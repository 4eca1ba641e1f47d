"""Many processes fill an empty cache once; a cache without locks, or a read-only one, works too."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from http.server import SimpleHTTPRequestHandler

import pytest

from backprop_cli.sources.mnist import FILES
from tests.conftest import ROOT
from tests.reliability import fetcher
from tests.reliability.conftest import fault

SIZE = 1 << 20
DATA, FILE = fetcher.packed_file(SIZE)
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


class Slow(SimpleHTTPRequestHandler):
    """Takes about `seconds` for a file."""

    seconds = 0.4
    served: list[str]

    def copyfile(self, source, target):
        self.served.append(self.path)
        data = source.read()
        for start in range(0, len(data), 1 << 16):
            target.write(data[start : start + (1 << 16)])
            time.sleep(self.seconds * (1 << 16) / len(data))

    def log_message(self, *args):
        pass


@pytest.fixture
def slow(serve, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / FILE.name).write_bytes(DATA)
    handler = type("Handler", (Slow,), {"served": []})
    return serve(tmp_path / "mirror", handler).url, handler


@pytest.fixture
def fetch(tmp_path, slow):
    def start(*more):
        words = [sys.executable, fetcher.__file__, tmp_path / "cache", slow[0], str(SIZE), *more]
        return subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def outputs(processes):
    return [process.communicate(timeout=60)[0].strip() for process in processes]


def files_in(folder):
    return sorted(path.name for path in (folder / "set").iterdir())


def test_one_of_many_processes_downloads_and_the_others_wait(fetch, slow, tmp_path):
    processes = [fetch() for _ in range(6)]
    assert outputs(processes) == [FILE.unpacked_sha256] * 6
    assert slow[1].served == ["/file.gz"]
    assert files_in(tmp_path / "cache") == ["file", "file.gz"]


def test_another_process_takes_over_when_the_downloading_one_is_killed(fetch, slow, tmp_path):
    slow[1].seconds = 3.0
    first = fetch()
    while not slow[1].served:
        time.sleep(0.01)
    others = [fetch() for _ in range(3)]
    assert "waiting for another process" in others[0].stderr.readline()
    first.kill()
    slow[1].seconds = 0.1
    assert outputs(others) == [FILE.unpacked_sha256] * 3
    assert len(slow[1].served) == 2
    outputs([first])
    assert files_in(tmp_path / "cache") == ["file", "file.gz"]


def test_without_locks_files_may_be_downloaded_twice_and_are_complete(fetch, slow, tmp_path):
    processes = [fetch("no locks") for _ in range(3)]
    assert outputs(processes) == [FILE.unpacked_sha256] * 3
    assert 1 <= len(slow[1].served) <= 3
    assert {"file", "file.gz"} <= set(files_in(tmp_path / "cache"))
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    for name, sha256 in (("file", FILE.unpacked_sha256), ("file.gz", FILE.sha256)):
        assert hashlib.sha256((tmp_path / "cache/set" / name).read_bytes()).hexdigest() == sha256


def test_temporary_files_of_a_killed_process_are_removed(fetch, tmp_path):
    (tmp_path / "cache/set").mkdir(parents=True)
    for name in (".file.gz.0a1b2c3d.tmp", ".file.0a1b2c3d.tmp", ".file.gz.lock"):
        (tmp_path / "cache/set" / name).write_text("half")
    assert outputs([fetch()]) == [FILE.unpacked_sha256]
    assert files_in(tmp_path / "cache") == ["file", "file.gz"]


def fetch_mnist(forks, tmp_path, mirror, **order):
    return forks("data", "fetch", "--data-dir", tmp_path / "cache", "--mirror", mirror.url, cwd=tmp_path, **order)


@pytest.mark.long
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_cache_on_a_file_system_without_locks(forks, serve, tmp_path, mnist_folder, number):
    order = fault(1, number, forever=True, under="cache", calls="flock")
    done = fetch_mnist(forks, tmp_path, serve(mnist_folder), fault=order)
    assert (done.code, done.fired > 0) == (0, True), done.err


def test_a_complete_read_only_cache_is_only_read(forks, serve, tmp_path, mnist_folder):
    assert fetch_mnist(forks, tmp_path, serve(mnist_folder)).code == 0
    order = fault(1, errno.EROFS, forever=True, under="cache", calls="write fsync rename mkdir flock")
    done = forks("data", "verify", "--data-dir", tmp_path / "cache", cwd=tmp_path, fault=order)
    assert (done.code, done.fired) == (0, 0), done.err


def test_an_empty_read_only_cache_is_not_needed(forks, serve, tmp_path, mnist_folder):
    order = fault(1, errno.EROFS, forever=True, under="cache", calls="mkdir")
    words = ("train", ROOT / "configs/mnist.yaml", "epochs=1", "train_size=1000", "--data-dir", tmp_path / "cache")
    done = forks(*words, "--mirror", serve(mnist_folder).url, cwd=tmp_path, fault=order)
    assert done.code == 0, done.err
    assert "the download is used but not stored" in done.err


@pytest.mark.parametrize(
    "file", [FILES[3], *(pytest.param(file, marks=pytest.mark.long) for file in FILES[:3])], ids=lambda file: file.name
)
def test_a_flipped_byte_in_a_file_of_mnist_is_detected_and_repaired(forks, serve, tmp_path, mnist_folder, file):
    mirror = serve(mnist_folder)
    assert fetch_mnist(forks, tmp_path, mirror).code == 0
    for other in FILES:
        (tmp_path / "cache/mnist" / other.name).unlink()
    path = tmp_path / "cache/mnist" / file.unpacked_name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    offline = forks("data", "verify", "--data-dir", tmp_path / "cache", cwd=tmp_path)
    assert offline.code == 5
    assert f"{path}: not the original" in offline.err
    done = fetch_mnist(forks, tmp_path, mirror)
    assert done.code == 0
    assert len(mirror.requests) == 5
    assert forks("data", "verify", "--data-dir", tmp_path / "cache", cwd=tmp_path).code == 0


@pytest.mark.long
def test_thirty_two_programs_that_start_with_an_empty_cache_download_each_file_once(serve, tmp_path, mnist_folder):
    handler = type("Handler", (Slow,), {"served": []})
    mirror = serve(mnist_folder, handler)
    words = [sys.executable, "-m", "backprop_cli", "train", ROOT / "configs/mnist.yaml", "epochs=1", "train_size=1000"]
    words += ["--data-dir", tmp_path / "cache", "--mirror", mirror.url, "--json", "-q"]
    processes = [
        subprocess.Popen(words, cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(32)
    ]
    ends = [json.loads(output) for output in outputs(processes)]
    assert [process.returncode for process in processes] == [0] * 32
    assert len({end["run"] for end in ends}) == 32
    assert len({json.dumps(end["test"]) for end in ends}) == 1
    assert sorted(handler.served) == sorted(f"/{file.name}" for file in FILES)
    print(f"32 processes, {len(handler.served)} downloads")
