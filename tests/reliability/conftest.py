from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Ended:
    """How a forked `backprop` ended: a negative code is a signal's; `fired` counts the calls that went wrong."""

    code: int
    out: str
    err: str
    seconds: float
    seen: int
    fired: int


@dataclass
class Forks:
    """Runs `backprop WORDS…` in a fork, with a fault to order, and signals at times to order."""

    server: subprocess.Popen[str]
    folder: Path

    def __call__(
        self,
        *words: object,
        cwd: Path,
        fault: dict[str, object] | None = None,
        signals: tuple[tuple[float, int], ...] = (),
        timeout: float = 20,
        closed: tuple[int, ...] = (),
        terminal: bool = False,
    ) -> Ended:
        """With `terminal`, stderr is a terminal, and what is written there is thrown away."""
        out, err = self.folder / "out", self.folder / "err"
        err.write_bytes(b"")
        job = {"words": [str(word) for word in words], "cwd": str(cwd), "fault": fault, "timeout": timeout}
        job |= {"out": str(out), "err": str(err), "signals": list(signals), "closed": list(closed)}
        with a_terminal() if terminal else nullcontext(job["err"]) as job["err"]:
            assert self.server.stdin
            assert self.server.stdout
            self.server.stdin.write(json.dumps(job) + "\n")
            self.server.stdin.flush()
            answer = json.loads(self.server.stdout.readline())
        return Ended(out=out.read_text(errors="replace"), err=err.read_text(errors="replace"), **answer)


@contextmanager
def a_terminal() -> Iterator[str]:
    """Yield the path of a terminal whose output is read, so that it never blocks."""
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 80))

    def drain() -> None:
        with suppress(OSError):  # how a terminal ends on Linux
            while os.read(main, 1 << 16):
                pass

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        yield os.ttyname(other)
    finally:
        os.close(other)
        reader.join()
        os.close(main)


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("faults are injected by a library that needs a C compiler and Linux")
    folder = tmp_path_factory.mktemp("forks")
    library = folder / "fault.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "fault.c", "-ldl"], check=True)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "LD_PRELOAD": str(library)}
    for name in ("BACKPROP_DATA_DIR", "BACKPROP_MIRROR"):
        env.pop(name, None)
    with subprocess.Popen(
        [sys.executable, HERE / "forkserver.py"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Forks(server, folder)
        assert server.stdin
        server.stdin.close()
        server.wait(timeout=10)


def fault(first: int, error: int = 0, forever: bool = False, number: int = 0, **more: object) -> dict[str, object]:
    """The `first`-th call on a file below a folder called `runs` fails with `error`, or meets the signal `number`."""
    calls = "open write fsync rename mkdir"
    return {
        "under": "runs",
        "calls": calls,
        "first": first,
        "error": error,
        "forever": int(forever),
        "number": number,
        **more,
    }
