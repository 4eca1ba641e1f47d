"""One verified download over HTTP."""

from __future__ import annotations

import hashlib
import time

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

TIMEOUT = (10, 30)
"""Seconds to wait for a connection, and for the next bytes."""

LIMIT = 15 * 60
"""Seconds that a file may take: a server that sends a byte now and then would never time out."""

RETRIES = Retry(
    total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), respect_retry_after_header=False
)
"""How often a mirror is asked again, with growing waits, when it is busy or the connection fails."""


class DownloadError(Exception):
    """Why a URL did not give the file, in a few words."""


def download(url: str, size: int, sha256: str) -> bytes:
    """Return the bytes behind url, which must have this size and SHA-256. Raises DownloadError."""
    if not url.startswith(("http://", "https://")):
        raise DownloadError("not an http or https address")
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
        try:
            # identity: the file is gzip already, and must arrive as it is
            with session.get(url, stream=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status_code != requests.codes.ok:
                    raise DownloadError(f"HTTP {answer.status_code} {answer.reason}")
                data, clock = bytearray(), time.monotonic()
                while part := answer.raw.read1(1 << 16, decode_content=False):  # as much as has come
                    data += part
                    if len(data) > size:
                        raise DownloadError(f"more than the {size:,} bytes of the original")
                    if time.monotonic() - clock > LIMIT:
                        raise DownloadError(f"only {len(data):,} of {size:,} bytes in {LIMIT / 60:g} minutes")
        except (requests.RequestException, HTTPError, OSError) as error:
            raise DownloadError(_reason(error)) from error
    if len(data) != size:
        raise DownloadError(f"{len(data):,} bytes, the original has {size:,}")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DownloadError("wrong SHA-256: not the original")
    return bytes(data)


def _reason(error: Exception) -> str:
    """Return the innermost reason of an error, which requests wraps in layers."""
    if isinstance(error, requests.exceptions.RetryError):
        return "busy or failing, also when asked again (HTTP 5xx or 429)"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while inner.args and isinstance(inner.args[-1], BaseException):
        inner = inner.args[-1]
    reason = getattr(inner, "reason", None)
    return str(reason if isinstance(reason, BaseException) else inner) or type(inner).__name__
