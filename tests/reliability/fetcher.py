"""A process that wants a file: `fetcher.py CACHE URL SIZE [no-locks]` prints the SHA-256 of what it got."""

import errno
import gzip
import hashlib
import random
import sys
from pathlib import Path

import filelock

from backprop_cli.data.cache import Cache, RemoteFile


def packed_file(size):
    """A gzipped file of about this size, always the same, and what is known of it."""
    content = random.Random(size).randbytes(size)
    packed = gzip.compress(content, 1, mtime=0)
    digests = (hashlib.sha256(packed).hexdigest(), hashlib.sha256(content).hexdigest())
    return packed, RemoteFile("file.gz", len(packed), digests[0], len(content), digests[1])


def no_locks(*_, **options):
    raise OSError(errno.ENOLCK, "No locks available")


if __name__ == "__main__":
    folder, url, size, *more = sys.argv[1:]
    if more:
        filelock.lock_descriptor = no_locks
    file = packed_file(int(size))[1]
    cache = Cache(Path(folder), log=lambda line: print(line, file=sys.stderr, flush=True))
    print(hashlib.sha256(cache.fetch(file, "set", (url,))).hexdigest())
