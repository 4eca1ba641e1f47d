"""One verified download over HTTP, bounded in time and memory in every part of the answer."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
import time
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from backprop_cli.errors import without_password

TIMEOUT = (10, 30)
"""Seconds to wait for a connection, and for the next bytes."""

LIMIT = 15 * 60
"""Seconds for a download with its redirects and retries: a server that sends a byte now and then never times out."""

MAX_REDIRECTS = 5
"""Redirects that are followed."""

PAUSES = (0.5, 1.0)
"""Seconds to wait before each further attempt when a server is busy or a connection fails."""

BUSY = (429, 500, 502, 503, 504)
"""HTTP statuses that are worth another attempt."""


class DownloadError(Exception):
    """Why a URL did not give the file, in a few words."""


class _TryAgain(DownloadError):
    """A failure that another attempt may not meet."""


def download(url: str, size: int, sha256: str) -> bytes:
    """Return the file at url, which must have this size and SHA-256. Raises DownloadError, whatever goes wrong."""
    with _Deadline(LIMIT) as deadline, _Session(deadline) as session:
        pauses = iter(PAUSES)
        while True:
            try:
                return _attempt(session, url, size, sha256)
            except DownloadError as error:
                pause = next(pauses, None)
                if deadline.expired:
                    raise DownloadError(f"not complete after {LIMIT / 60:g} minutes") from error
                if pause is None or not isinstance(error, _TryAgain):
                    raise
                time.sleep(pause)


def _attempt(session: requests.Session, url: str, size: int, sha256: str) -> bytes:
    try:
        for _ in range(1 + MAX_REDIRECTS):
            if not re.match("https?://", url, re.IGNORECASE):
                raise DownloadError("not an http or https address")
            # identity: the file is gzip already, and must arrive as it is
            with session.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as answer:
                if not answer.is_redirect:
                    return _verified(answer, size, sha256)
                url = urljoin(url, answer.headers["Location"])
        raise DownloadError(f"more than {MAX_REDIRECTS} redirects")
    except DownloadError:
        raise
    except (requests.ConnectionError, OSError) as error:
        raise (DownloadError if isinstance(error, requests.Timeout) else _TryAgain)(_reason(error)) from error
    except Exception as error:  # the libraries raise nearly anything on bytes that are not HTTP
        raise DownloadError(_reason(error)) from error


def _verified(answer: requests.Response, size: int, sha256: str) -> bytes:
    if (status := answer.status_code) != HTTPStatus.OK:
        # the meaning is not taken from the answer, whose text may contain anything
        phrase = f" ({HTTPStatus(status).phrase})" if status in set(HTTPStatus) else ""
        raise (_TryAgain if status in BUSY else DownloadError)(f"HTTP {status}{phrase}")
    data = bytearray()
    while part := answer.raw.read1(1 << 16, decode_content=False):  # as much as has arrived
        data += part
        if len(data) > size:
            raise DownloadError(f"more than the {size:,} bytes of the original")
    if len(data) != size:
        raise DownloadError(f"{len(data):,} bytes; the original has {size:,}")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DownloadError("wrong SHA-256: not the original")
    return bytes(data)


def _reason(error: BaseException) -> str:
    """Return the innermost reason of an error, which the libraries wrap in layers."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    text = str(reason if isinstance(reason, BaseException) else error) or type(error).__name__
    text = re.sub(r"^\w+\(host=.*?\): ", "", text)  # the class of the connection and its server, which the URL names
    return without_password(text)[:300]


class _Deadline:
    """Shuts down the connections that are added in its context after so many seconds, whatever is being read."""

    expired = False

    def __init__(self, seconds: float) -> None:
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._timer.cancel()
        self._timer.join()
        for connection in self._sockets:
            connection.close()

    def add(self, connection: socket.socket) -> None:
        self._sockets.append(connection.dup())  # TLS takes over the original
        if self.expired:
            self._expire()

    def _expire(self) -> None:
        self.expired = True
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Session(requests.Session):
    """Follows no redirect, as `requests` reads the body of each to the end; adds its connections to the deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(deadline))

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Adapter(HTTPAdapter):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        plain, deadline = type(pool).ConnectionCls, self._deadline

        class Registered(plain):  # type: ignore[valid-type, misc]  # known at run time only
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()
                deadline.add(connection)
                return connection

        pool.ConnectionCls = Registered
        return pool
