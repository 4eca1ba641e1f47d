"""Reads damaged copies of a checkpoint, one after another, and reports what the worst of them did.

Run as a process of its own, so that its memory can be measured: `mutants.py CHECKPOINT BYTES STRUCTURES SEED`
"""

import importlib
import io
import json
import random
import re
import struct
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

from backprop_cli.errors import BackpropError
from backprop_cli.runs.checkpoint import _digest, read_checkpoint
from backprop_cli.runs.model import load_network

FORBIDDEN = ("pickle.find_class", "exec", "compile", "import", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
NUMBERS = (0, 1, -1, 2**31, 2**63, 2**64, 10**18, 1e308, 1e-320, 0.5, None, True, "", "x" * 5000, [], {}, [[]] * 1000)


def change_bytes(data, rng):
    """Change, remove, repeat or insert up to 16 bytes, more often near the end, where a zip file has its directory."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 4, 16))):
        place = rng.randrange(len(data)) if rng.random() < 0.6 else len(data) - 1 - rng.randrange(min(len(data), 900))
        match rng.randrange(5):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice((0, 255, rng.randrange(256)))
            case 2:
                del data[place : place + rng.choice((1, 4, 100, 10**9))]
                data = data or bytearray(b"\0")
            case 3:
                data[place:place] = rng.randbytes(rng.choice((1, 4, 100)))
            case 4:
                other = rng.randrange(len(data))
                data[place : place + 8] = data[other : other + 8]
    return bytes(data)


def change_structure(data, rng):
    """Change what the file declares, with all the checksums right, so that it gets as far as can be."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    choice = rng.randrange(4)
    if choice == 0:
        change_header(entries, rng)
    elif choice == 1:
        change_meta(entries, rng)
    elif choice == 2:
        change_entries(entries, rng)
    file = io.BytesIO()
    compression = rng.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,))
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    packed = file.getvalue()
    return change_directory(packed, rng) if choice == 3 else packed


def change_header(entries, rng):
    """Let an array declare another type, order, shape or length of its header."""
    name = rng.choice(list(entries))
    length = int.from_bytes(entries[name][8:10], "little")
    payload = entries[name][10 + length :]
    shape = rng.choice(["()", "(0,)", "(10**9, 10**9)", "(-1,)", f"({10**12}, {10**12})", "(2, 3, 4)", "(1" * 500, "x"])
    dtype = rng.choice(["<f4", "<f8", "|O", ">f4", "<U9999999", "<U1", "<i8", "f4,f4", "|V2000000000"])
    header = (
        f"{{'descr': '{dtype}', 'fortran_order': {rng.random() < 0.2}, 'shape': {shape}, }}".encode() + b" " * 9 + b"\n"
    )
    version = rng.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\xff\xff"))
    declared = rng.choice((len(header), len(header), 0, 65535))
    entries[name] = b"\x93NUMPY" + version + declared.to_bytes(2, "little") + header + payload


def change_meta(entries, rng):
    """Change a value of the meta, and sign it anew."""
    named = {}
    for name, content in entries.items():
        named[name.removesuffix(".npy")] = np.load(io.BytesIO(content))
    meta = json.loads(str(named.pop("meta")))
    meta.pop("sha256")
    if rng.random() < 0.3:
        layers = [[64, 10**5, 10], [10**8] * 99, [64, 10], [], [64] * 101, ["64"]]
        meta["experiment"]["layers"] = rng.choice(layers)
    else:
        place = rng.choice([meta, meta["experiment"], meta["best"] or meta])
        place[rng.choice([*place, "unknown"])] = rng.choice(NUMBERS)
    text = json.dumps({**meta, "sha256": _digest(json.loads(json.dumps(meta)), named)})
    if rng.random() < 0.1:
        text = rng.choice(["[" * 10**5, "9" * 10**5, '{"a":' * 10**4, "NaN", text * 2, text.replace("1", "Infinity")])
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array(text), allow_pickle=False)
    entries["meta.npy"] = buffer.getvalue()


def change_entries(entries, rng):
    """Drop, rename or add entries."""
    name = rng.choice(list(entries))
    content = entries.pop(name)
    new = rng.choice([None, "../" + name, "/etc/passwd", "W99.npy", "optimizer.x.npy", "a\0b", "W1.npy", "é" * 300])
    if new is not None:
        entries[new] = content
    if rng.random() < 0.2:
        entries |= {f"optimizer.x{i}.npy": b"" for i in range(rng.choice((10, 3000)))}


def change_directory(data, rng):
    """Let the end of the zip file, or an entry of its directory, declare another number."""
    data = bytearray(data)
    end = data.rfind(b"PK\5\6")
    start = rng.choice([end, data.find(b"PK\1\2"), data.rfind(b"PK\1\2"), 0])
    place = min(start + rng.randrange(4, 46), len(data) - 9)
    struct.pack_into(
        *rng.choice([("<H", data, place), ("<L", data, place), ("<Q", data, place)]),
        rng.choice((0, 1, 0xFF, 0xFFFF)),
    )
    if rng.random() < 0.5:
        struct.pack_into("<L", data, place, rng.choice((0, 0xFFFFFFFF, 0x7FFFFFFF, len(data), rng.randrange(2**32))))
    return bytes(data)


class Watch:
    """What the process does while entered: its time, the memory it takes at most (MB), and what it should never do."""

    def __init__(self):
        self.on, self.forbidden = False, set()
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if self.on and event.startswith(FORBIDDEN):
            self.forbidden.add(f"{event} {str(arguments)[:80]}")

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        self.before, self.clock, self.on = memory("VmRSS"), time.perf_counter(), True
        return self

    def __exit__(self, *_):
        self.on = False
        self.seconds, self.memory = time.perf_counter() - self.clock, memory("VmHWM") - self.before


def memory(name):
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def attempt(path):
    """Load a checkpoint as `eval` does; return the result."""
    try:
        load_network(read_checkpoint(path), str(path))
    except BackpropError:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return "read"


def main(path, n_bytes, n_structures, seed):
    path, rng = Path(path), random.Random(int(seed))
    data = path.read_bytes()
    mutant = path.with_name("mutant.npz")
    for module in ("pydantic._internal._dataclasses", "pydantic.root_model"):  # which it leaves to rare kinds of error
        importlib.import_module(module)
    for _ in range(50):  # what is imported or cached at the first time is so now
        mutant.write_bytes(change_structure(data, rng))
        attempt(mutant)
    watch = Watch()
    with watch:
        assert attempt(path) == "read"
    result = {"valid": watch.memory, "outcomes": {}, "slowest": 0.0, "memory": 0.0}
    for change, count in ((change_bytes, int(n_bytes)), (change_structure, int(n_structures))):
        for _ in range(count):
            mutant.write_bytes(change(data, rng))
            with watch:
                outcome = attempt(mutant)
            result["outcomes"][outcome] = result["outcomes"].get(outcome, 0) + 1
            result["slowest"] = max(result["slowest"], watch.seconds)
            result["memory"] = max(result["memory"], watch.memory)
    print(json.dumps({**result, "forbidden": sorted(watch.forbidden)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
