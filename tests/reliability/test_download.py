"""A download is complete or absent, whatever the server does; retries end; the next mirror is asked."""

import hashlib
import random
import socket
import struct
import time
from http.server import SimpleHTTPRequestHandler

import pytest

from backprop_cli.data import download as module
from backprop_cli.data.cache import Cache
from backprop_cli.data.download import DownloadError, download
from backprop_cli.errors import DataError
from backprop_cli.sources.mnist import TRAIN_IMAGES
from tests.reliability.fetcher import packed_file

DATA, FILE = packed_file(300_000)


class Faulty(SimpleHTTPRequestHandler):
    """Sends the first `cut` bytes of `data`, announces `length`, and ends with a reset if `reset` is true."""

    data, cut, length, reset = DATA, None, len(DATA), False
    requests: list[str]

    def do_GET(self):
        self.requests.append(self.path)
        self.answer()

    def answer(self):
        self.send_response(200)
        if self.length is not None:
            self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(self.data[: self.cut])
        if self.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def faulty(serve, tmp_path):
    """Starts a server with the given attributes."""

    def start(**behaviour):
        handler = type("Handler", (Faulty,), {"requests": [], **behaviour})
        return serve(tmp_path, handler).url, handler

    return start


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with a hundred times shorter pauses between attempts."""
    monkeypatch.setattr(module, "PAUSES", (0.001, 0.002))
    return Cache(tmp_path / "cache")


@pytest.fixture
def impatient(monkeypatch):
    """Time limits that are a hundred times shorter."""
    monkeypatch.setattr(module, "TIMEOUT", (0.1, 0.2))
    monkeypatch.setattr(module, "PAUSES", (0.001, 0.002))
    monkeypatch.setattr(module, "LIMIT", 0.5)


def stored(cache):
    return [path for path in cache.folder.rglob("*") if path.is_file()]


def assert_absent_then_whole(cache, file, bad, good):
    """With the bad mirror alone nothing is stored; with a good one after it, the file is."""
    with pytest.raises(DataError):
        cache.fetch(file, "set", (bad,))
    assert stored(cache) == []
    data = cache.fetch(file, "set", (bad, good))
    assert hashlib.sha256(data).hexdigest() == file.unpacked_sha256
    for path in stored(cache):
        path.unlink()


def boundaries(size):
    return [0, 1, 63, *range(1 << 16, size, 1 << 16), size - 64, size - 1]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("length", [len(DATA), None], ids=["length", "no length"])
def test_a_connection_that_ends_early_leaves_nothing(faulty, cache, reset, length):
    good, _ = faulty()
    bad, handler = faulty(reset=reset, length=length)
    for cut in boundaries(len(DATA)):
        handler.cut = cut
        assert_absent_then_whole(cache, FILE, bad, good)


@pytest.mark.long
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_ends_at_any_boundary_of_a_real_file_leaves_nothing(faulty, cache, reset, mnist_folder):
    data = (mnist_folder / TRAIN_IMAGES.name).read_bytes()
    good, _ = faulty(data=data, length=len(data))
    bad, handler = faulty(data=data, length=len(data), reset=reset)
    cuts = [*range(64), *range(1 << 16, len(data), 1 << 16), *range(len(data) - 64, len(data))]
    for cut in cuts:
        handler.cut = cut
        assert_absent_then_whole(cache, TRAIN_IMAGES, bad, good)
    print(f"dropped at {len(cuts)} places")


@pytest.mark.parametrize(
    "behaviour",
    [
        {"length": len(DATA) - 1},
        {"length": len(DATA) + 1},
        {"length": f"{len(DATA)}, {len(DATA) + 1}"},
        {"length": 10**30},
        {"data": b"<html>Please log in</html>", "length": None},
        {"data": b"<html>".ljust(len(DATA))},
        {"answer": lambda self: self.send_error(403)},
        {"answer": lambda self: self.connection.close()},
        {"answer": lambda self: self.wfile.write(b"SSH-2.0-OpenSSH\r\n")},
        {"answer": lambda self: self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000)},
        {"answer": lambda self: self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nabc")},
        {"answer": lambda self: self.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n")},
        {"answer": lambda self: self.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n")},
    ],
    ids=["short", "long", "two lengths", "great", "html", "as long", "403", "closed", "no http"]
    + ["many headers", "torn chunk", "redirect to a file", "redirect loop"],
)
def test_a_wrong_answer_leaves_nothing_and_the_next_mirror_is_asked(faulty, cache, behaviour):
    good, _ = faulty()
    bad, _ = faulty(**behaviour)
    assert_absent_then_whole(cache, FILE, bad, good)


def test_a_redirect_is_followed(faulty, cache):
    good, _ = faulty()

    def redirect(self):
        self.send_response(302)
        self.send_header("Location", good + "file.gz")
        self.send_header("Content-Length", "0")
        self.end_headers()

    url, _ = faulty(answer=redirect)
    assert hashlib.sha256(cache.fetch(FILE, "set", (url,))).hexdigest() == FILE.unpacked_sha256


def test_a_busy_server_is_asked_three_times_with_pauses(faulty, monkeypatch):
    def busy(self):
        self.send_response(503)
        self.send_header("Retry-After", "86400")
        self.send_header("Content-Length", "0")
        self.end_headers()

    url, handler = faulty(answer=busy)
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    with pytest.raises(DownloadError, match="HTTP 503"):
        download(url, FILE.size, FILE.sha256)
    assert len(handler.requests) == 3
    assert tuple(pauses) == module.PAUSES


def stall(self):
    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + DATA[:1000])
    time.sleep(0.6)


def drip(self):
    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for byte in DATA[:20]:
        self.wfile.write(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.long  # needs a quiet machine
@pytest.mark.parametrize(
    ("answer", "reason"),
    [(lambda self: time.sleep(0.4), "no answer in time"), (stall, "timed out"), (drip, "not complete after")],
    ids=["silent", "stalled", "dripping"],
)
def test_a_slow_server_is_abandoned_soon(faulty, impatient, answer, reason):
    url, _ = faulty(answer=answer)
    clock = time.monotonic()
    with pytest.raises(DownloadError, match=reason):
        download(url, FILE.size, FILE.sha256)
    assert time.monotonic() - clock < 2


def test_the_time_limits():
    assert module.TIMEOUT == (10, 30)
    assert module.LIMIT == 900
    assert module.PAUSES == (0.5, 1.0)


def test_the_proxy_of_the_environment_is_used(faulty, cache, monkeypatch):
    proxy, handler = faulty()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    cache.fetch(FILE, "set", ("http://mirror.invalid/mnist/",))
    assert handler.requests == [f"http://mirror.invalid/mnist/{FILE.name}"]


def test_a_wrong_byte_is_detected(faulty, cache):
    good, _ = faulty()
    bad, handler = faulty()
    rng = random.Random(0)
    for _ in range(8):
        place = rng.randrange(len(DATA))
        handler.data = DATA[:place] + bytes([DATA[place] ^ 1 << rng.randrange(8)]) + DATA[place + 1 :]
        assert_absent_then_whole(cache, FILE, bad, good)
