"""A hostile server cannot keep a download for ever, fill the memory, or stop the next mirror from being asked."""

import contextlib
import gzip
import random
import socketserver
import threading
import time

import pytest

from backprop_cli.data import download as module
from backprop_cli.data.cache import Cache
from backprop_cli.data.download import DownloadError, download
from backprop_cli.errors import DataError
from tests.reliability.fetcher import packed_file
from tests.reliability.limits import Limits

DATA, FILE = packed_file(20_000)
OK = b"HTTP/1.1 200 OK\r\n"
GOOD = OK + b"Content-Length: %d\r\n\r\n" % len(DATA) + DATA
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENOUGH = 50 << 20
"""Bytes after which a server stops: more than all buffers of a connection hold."""


class Server(socketserver.ThreadingTCPServer):
    """Answers each connection with `start` and then `piece` again and again, `pause` seconds apart."""

    daemon_threads = True
    start, piece, pause = GOOD, b"", 0.0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.sent, self.asked, self.closing = 0, 0, False
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        server = self.server
        server.asked += 1
        self.request.settimeout(5)
        try:
            self.request.recv(1 << 16)
            self.request.sendall(server.start)
            end = time.monotonic() + 5
            while server.piece and server.sent < ENOUGH and time.monotonic() < end and not server.closing:
                server.sent += self.request.send(server.piece)
                time.sleep(server.pause)
        except OSError:
            pass


@pytest.fixture
def server():
    """Starts a server with the given attributes."""
    servers = []

    def start(**attributes):
        server = Server()
        vars(server).update(attributes)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.closing = True
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 0.3)
    monkeypatch.setattr(module, "PAUSES", (0.001, 0.001))


def redirect(location, more=b""):
    return b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\n" + more + b"\r\n"


@pytest.mark.parametrize(
    ("start", "piece", "pause"),
    [
        (OK + b"X-Long: ", b"a", 0.01),
        (OK, b"X: y\r\n", 0.05),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        (OK + b"\r\n", b"a", 0.01),
        (CHUNKED, b"0", 0.01),
        (CHUNKED, b"1\r\na\r\n", 0.01),
    ],
    ids=["header bytes", "header lines", "fast 100", "slow 100", "body", "chunk size", "chunks"],
)
def test_an_answer_that_never_ends_is_abandoned(server, start, piece, pause):
    endless = server(start=start, piece=piece, pause=pause)
    with pytest.raises(DownloadError, match="not complete after"):
        download(endless.url, FILE.size, FILE.sha256)


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["fast", "slow"])
def test_trailers_that_never_end_are_abandoned(server, pause):
    whole = CHUNKED + b"%x\r\n" % len(DATA) + DATA + b"\r\n0\r\n"
    endless = server(start=whole, piece=b"X: y\r\n", pause=pause)
    with contextlib.suppress(DownloadError):  # the file is complete; whether the connection ends well is chance
        assert download(endless.url, FILE.size, FILE.sha256) == DATA


def test_the_next_mirror_is_asked_after_an_answer_that_never_ends(server, tmp_path):
    endless, good = server(start=b"", piece=b"HTTP/1.1 100 Continue\r\n\r\n"), server()
    assert len(Cache(tmp_path).fetch(FILE, "set", (endless.url, good.url))) == FILE.unpacked_size


@pytest.mark.parametrize(
    ("more", "piece"),
    [
        (b"", bytes(1 << 16)),
        (b"Content-Encoding: gzip\r\n", gzip.compress(bytes(1 << 24), mtime=0)),
        (b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + bytes(1 << 16) + b"\r\n"),
    ],
    ids=["endless", "compressed", "chunked"],
)
def test_the_body_of_a_redirect_is_not_read(server, monkeypatch, more, piece):
    monkeypatch.setattr(module, "LIMIT", 30)
    good = server()
    bad = server(start=redirect(good.url.encode() + b"file.gz", more), piece=piece)
    assert download(bad.url, FILE.size, FILE.sha256) == DATA
    assert bad.sent < ENOUGH


def test_the_body_of_a_failure_is_not_read(server, monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 30)
    busy = server(start=b"HTTP/1.1 503 Busy\r\n\r\n", piece=bytes(1 << 16))
    with pytest.raises(DownloadError, match=r"HTTP 503 \(Service Unavailable\)"):
        download(busy.url, FILE.size, FILE.sha256)
    assert busy.asked == 3
    assert busy.sent < ENOUGH


def test_redirects_are_counted(server):
    loop = server(start=redirect(b"/again"))
    with pytest.raises(DownloadError, match="more than 5 redirects"):
        download(loop.url, FILE.size, FILE.sha256)
    assert loop.asked == 6


LOCATIONS = [b"http://[", b"/\xff", b"http://[::ffff:1.2.3.4.5]/", "http://\u2100/".encode(), b"http://", b"ftp://x/"]
LOCATIONS += [
    b"h" * 60_000,
    b"http:///x",
    b"http://a:b/",
    b"http://a:99999/",
    b"http://%zz/",
    b"//[",
    b"http://x\x00y/",
]


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: repr(location)[:30])
def test_the_next_mirror_is_asked_after_an_odd_redirect(server, tmp_path, location):
    bad, good = server(start=redirect(location)), server()
    assert len(Cache(tmp_path).fetch(FILE, "set", (bad.url, good.url))) == FILE.unpacked_size


def test_control_characters_of_a_server_are_not_repeated(server):
    bad = server(start=b"HTTP/1.1 403 \x1b]0;PWNED\x07\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(DownloadError, match=r"^HTTP 403 \(Forbidden\)$"):
        download(bad.url, FILE.size, FILE.sha256)


@pytest.mark.parametrize("path", ["", "nothing:here", "\0"], ids=["host", "colon", "nul"])
def test_passwords_in_addresses_are_not_shown(server, tmp_path, path):
    bad, lines = server(start=b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), []
    url = bad.url.replace("//", "//user:s3cret@") + path
    with pytest.raises(DataError) as error:
        Cache(tmp_path, log=lines.append).fetch(FILE, "set", (url, "http://user:s3cret@["))
    assert len(lines) == 4
    assert "s3cret" not in "".join([*lines, str(error.value)])


def test_a_refused_connection_is_told_in_plain_words():
    with pytest.raises(
        DownloadError, match=r"^Failed to establish a new connection: \[Errno \d+\] Connection refused$"
    ):
        download("http://127.0.0.1:1/x", FILE.size, FILE.sha256)


def test_the_scheme_may_be_in_capitals(server):
    assert download(server().url.replace("http", "HTTP"), FILE.size, FILE.sha256) == DATA


def mutated(answer, rng):
    head, _, body = answer.partition(b"\r\n\r\n")
    data = bytearray(head)
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                del data[place : place + rng.choice((1, 3, 20))]
            case 2:
                data[place:place] = rng.choice((b"\0", b"\r\n", b"\xff", b": ", b"9" * 30, b"\r\n\r\n", b"x" * 9000))
            case 3:
                data[place:place] = rng.choice((b"\r\nTransfer-Encoding: chunked", b"\r\nContent-Length: -1"))
            case 4:
                data[place:place] = rng.choice((b"\r\nContent-Encoding: gzip", b"\r\nLocation: /"))
        data = data or bytearray(b"H")
    return bytes(data) + b"\r\n\r\n" + body


def check_mutants(server, count, seed):
    """Return how many of so many answers were the file, and what the limits say."""
    rng, limits, bad, complete = random.Random(seed), Limits(), server(), 0
    for _ in range(count):
        bad.start = mutated(rng.choice((GOOD, redirect(b"/x"), CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")), rng)
        with limits.hold(bad.start), contextlib.suppress(DownloadError):
            assert download(bad.url, FILE.size, FILE.sha256) == DATA
            complete += 1
    return complete, limits


def test_a_mutated_answer_is_the_file_or_an_error(server):
    assert 0 < check_mutants(server, 150, seed=1)[0] < 150


@pytest.mark.long
def test_thousands_of_mutated_answers_are_the_file_or_an_error(server):
    complete, limits = check_mutants(server, 5000, seed=2)
    print(f"5,000 answers, {complete} the file: {limits}")
