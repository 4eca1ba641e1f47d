from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
MNIST = SHARED / "data" / "mnist"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that take longest first, so that no core waits for another at the end of `pytest -n auto`."""
    items.sort(key=lambda item: item.path.name not in ("test_docs.py", "test_packaging.py"))


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Backprop = Callable[..., Outcome]


@pytest.fixture
def backprop(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backprop:
    """Runs `backprop WORDS…` in an empty folder, without the user's own settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("BACKPROP_DATA_DIR", "BACKPROP_MIRROR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    from backprop_cli.cli.main import main

    def run(*words: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A config that trains in a blink."""
    path = tmp_path / "tiny.yaml"
    path.write_text("dataset: digits\nlayers: [64, 12, 10]\neta: 1.0\nepochs: 3\ntrain_size: 195\n")
    return path


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn, but their files hold nothing, which saves most of the time."""
    from backprop_cli.drawing import style

    monkeypatch.setattr(style, "to_bytes", lambda figure, format: b"")


class _Quiet(SimpleHTTPRequestHandler):
    # `requests` is put on the server below, where mypy does not know it
    def log_message(self, format: str, *args: object) -> None:
        self.server.requests.append(args[0])  # type: ignore[attr-defined]


@dataclass
class Mirror:
    url: str
    requests: list[str]


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Mirror]]:
    """Serves a folder over HTTP on this machine."""
    servers = []

    def start(folder: Path, handler: type[SimpleHTTPRequestHandler] = _Quiet) -> Mirror:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        server.requests = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return Mirror(f"http://127.0.0.1:{server.server_port}/", server.requests)  # type: ignore[attr-defined]

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def mnist_folder() -> Path:
    if not MNIST.is_dir():
        pytest.skip("the MNIST files are not beside this checkout (../shared/data/mnist)")
    return MNIST


@pytest.fixture(scope="session")
def mnist_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds MNIST, so that it is unpacked once for all tests."""
    if not MNIST.is_dir():
        pytest.skip("the MNIST files are not beside this checkout (../shared/data/mnist)")
    folder = tmp_path_factory.mktemp("cache")
    (folder / "mnist").mkdir()
    for file in MNIST.glob("*.gz"):
        (folder / "mnist" / file.name).symlink_to(file)
    return folder
