import hashlib
from http.server import SimpleHTTPRequestHandler

import pytest

from backprop_cli.data.download import DownloadError, download

DATA = bytes(range(256)) * 1000
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "file.gz").write_bytes(DATA)
    return tmp_path


class Answer(SimpleHTTPRequestHandler):
    """Answers every request with `status` and `body`, promising `length` bytes."""

    status, body, length, encoding = 200, DATA, len(DATA), None

    def do_GET(self):
        self.send_response(self.status)
        if self.length is not None:
            self.send_header("Content-Length", str(self.length))
        if self.encoding:
            self.send_header("Content-Encoding", self.encoding)
        self.end_headers()
        self.wfile.write(self.body)
        self.close_connection = True

    def log_message(self, *args):
        pass


def answering(**attributes):
    return type("Answering", (Answer,), attributes)


def test_a_download_is_the_bytes_of_the_file(serve, folder):
    assert download(serve(folder).url + "file.gz", len(DATA), SHA) == DATA


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (answering(status=403), "HTTP 403"),
        (answering(body=b"<html>", length=6), "6 bytes; the original has 256,000"),
        (answering(body=DATA[:-1] + b"\0"), "wrong SHA-256"),
        (answering(body=DATA + b"more", length=len(DATA) + 4), "more than the 256,000 bytes"),
        (answering(body=DATA[:1000]), "1,000|IncompleteRead"),
        (answering(body=DATA[:1000], length=None), "1,000 bytes"),
    ],
    ids=["forbidden", "html", "wrong byte", "too long", "cut off", "cut off, no length"],
)
def test_anything_but_the_original_is_refused_with_its_reason(serve, folder, handler, message):
    with pytest.raises(DownloadError, match=message):
        download(serve(folder, handler).url + "file.gz", len(DATA), SHA)


def test_a_gzip_file_arrives_as_it_is_even_from_a_server_that_calls_it_an_encoding(serve, folder):
    assert download(serve(folder, answering(encoding="gzip")).url + "file.gz", len(DATA), SHA) == DATA


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/file.gz", "https://127.0.0.1:9/file.gz", "http://a.invalid/x.gz"])
def test_a_failed_connection_is_described_without_the_classes_of_libraries(monkeypatch, url):
    monkeypatch.setattr("backprop_cli.data.download.PAUSES", ())
    with pytest.raises(DownloadError, match="^Failed to ") as error:
        download(url, len(DATA), SHA)
    assert "host=" not in str(error.value)


def test_a_busy_server_is_asked_again(serve, folder):
    class BusyAtFirst(Answer):
        calls = 0

        def do_GET(self):
            type(self).calls += 1
            self.status = 503 if type(self).calls == 1 else 200
            super().do_GET()

    assert download(serve(folder, BusyAtFirst).url + "file.gz", len(DATA), SHA) == DATA
    assert BusyAtFirst.calls == 2


def test_a_server_that_is_not_there_is_a_reason():
    with pytest.raises(DownloadError, match="refused"):
        download("http://127.0.0.1:1/file.gz", len(DATA), SHA)


def test_only_http_is_spoken():
    with pytest.raises(DownloadError, match="not an http"):
        download("file:///etc/passwd", 1, SHA)
