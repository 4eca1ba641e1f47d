"""Data of the user's own with anything in them: they are trained on, or refused in a line with the file."""

import gzip
import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from backprop_cli.tables import columns
from tests.reliability.limits import Limits
from tests.reliability.mutants import change_bytes

RNG = np.random.default_rng(0)
N = 60
WORDS = [("red", "grün", "")[k % 3] for k in range(N)]
ROWS = "".join(f'{k % 7}.{k},{word},"a, ""b""",{("no", "yes")[k % 2]}\n' for k, word in enumerate(WORDS))
CSV = f"size,colour,note,y\n{ROWS}".encode()
IMAGES = RNG.integers(0, 256, (N, 4, 4), np.uint8)
LABELS = np.arange(N, dtype=np.uint8) % 3
PIECES = [
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1b]0;x\x07",
    b"1e999",
    b"nan",
    b"-0",
]
PIECES += [
    b",,,,,",
    b"x" * 200_000,
    b"9" * 400,
    "٣".encode(),
    "\u202e".encode(),
    b"2024-01-01",
    b"\t",
    b";" * 50,
    b"\n" * 99,
]

NETWORK = "layers: [auto, 3, auto]\nepochs: 1\nbatch_size: 8\n"


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_table(folder, name, data):
    (folder / name).write_bytes(data)
    return f"{{name: table, file: {name}, target: y}}", [name]


def write_csv(folder):
    return write_table(folder, "t.csv", CSV)


def write_tsv(folder):
    return write_table(folder, "t.tsv.gz", gzip.compress(CSV.replace(b",", b"\t"), mtime=0))


def write_parquet(folder):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = {"size": RNG.normal(size=N), "colour": WORDS, "y": [("no", "yes")[k % 2] for k in range(N)]}
    pq.write_table(pa.table(values), folder / "t.parquet")
    return "{name: table, file: t.parquet, target: y}", ["t.parquet"]


def write_npz(folder):
    np.savez(folder / "t.npz", x=IMAGES, y=LABELS)
    return "{name: arrays, file: t.npz}", ["t.npz"]


def write_npy(folder):
    np.save(folder / "x.npy", IMAGES.astype(np.float32))
    np.save(folder / "y.npy", LABELS.astype(np.int64))
    return "{name: arrays, x: x.npy, y: y.npy}", ["x.npy", "y.npy"]


def write_idx(folder):
    (folder / "images").write_bytes(idx(IMAGES))
    (folder / "labels.gz").write_bytes(gzip.compress(idx(LABELS), mtime=0))
    return "{name: idx, images: images, labels: labels.gz}", ["images", "labels.gz"]


def write_images(folder):
    image = pytest.importorskip("PIL.Image")
    names = []
    for k in range(12):
        name = f"shapes/{'abc'[k % 3]}/{k}.{('png', 'gif', 'jpg', 'bmp')[k % 4]}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(IMAGES[k]).save(folder / name)
        names.append(name)
    return "{name: images, folder: shapes, height: 4, width: 4}", names


KINDS = [write_csv, write_tsv, write_parquet, write_npz, write_npy, write_idx, write_images]


def insert_pieces(data, rng):
    """Put something of what text files contain somewhere."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(data) + 1)
        data = data[:place] + rng.choice(PIECES) + data[place + rng.choice((0, 0, 1, 9)) :]
    return data


def change_lines(data, rng):
    """Repeat, drop or swap lines."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 2, 9))):
        k = rng.randrange(len(lines))
        lines[k : k + 1] = rng.choice(
            ([], [lines[k]] * 3, [lines[0]], lines[k : k + 1] + [lines[k][: len(lines[k]) // 2]])
        )
        lines = lines or [b""]
    return b"\n".join(lines)


def mutated(name, data, rng):
    """Return a file's content with something changed, in the gzipped text rather than in its bytes if it is gzipped."""
    change = rng.choice((change_bytes, insert_pieces, change_lines))
    if name.endswith(".gz") and rng.random() < 0.7:
        return gzip.compress(mutated(name.removesuffix(".gz"), gzip.decompress(data), rng), mtime=0)
    return change(data, rng)


def check_mutants(backprop, write, count, seed):
    """Train on so many changed files; return what the limits say."""
    rng, limits = random.Random(f"{write.__name__} {seed}"), Limits()
    dataset, names = write(Path())
    Path("some.yaml").write_text(f"dataset: {dataset}\n{NETWORK}")
    places = ["some.yaml", "column ", *(name.split("/")[0] for name in names)]
    originals = {name: Path(name).read_bytes() for name in names}
    limits.run(backprop, "train", "some.yaml", "--name", "run", "-q", codes=(0,))
    for number in range(count):
        name = rng.choice(names)
        data = mutated(name, originals[name], rng)
        Path(name).write_bytes(data)
        os.utime(name, (1e9 + number, 1e9 + number))
        done = limits.run(
            backprop, "train", "some.yaml", "--name", "run", "--overwrite", "-q", codes=(0, 1, 2, 3, 5), problem=data
        )
        assert done.code in (0, 3) or any(place in done.err for place in places), (data, done)
        Path(name).write_bytes(originals[name])
        os.utime(name, (1e9 - 1 - number, 1e9 - 1 - number))
    return limits


@pytest.fixture(autouse=True)
def _cache(backprop, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPROP_DATA_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("write", KINDS)
def test_a_changed_file_is_trained_on_or_refused(backprop, write):
    check_mutants(backprop, write, 12, 1)


@pytest.mark.long
@pytest.mark.parametrize("write", KINDS)
def test_thousands_of_changed_files_are_trained_on_or_refused(backprop, write):
    print(f"600 files of {write.__name__}:", check_mutants(backprop, write, 600, 2))


def check_stored(backprop, count, seed):
    """Change files of a stored table: what is learned is what the table gives."""
    rng, limits = random.Random(seed), Limits()
    write_csv(Path())
    os.utime("t.csv", (1e9, 1e9))
    Path("some.yaml").write_text(f"dataset: {{name: table, file: t.csv, target: y}}\n{NETWORK}")
    words = ("train", "some.yaml", "--name", "run", "--overwrite", "--json", "-q")
    expected = limits.run(backprop, *words, codes=(0,)).out.partition('"seconds"')[0]
    for _ in range(count):
        (folder,) = Path("cache/tables").iterdir()
        part = rng.choice(sorted(folder.iterdir()))
        part.write_bytes(change_bytes(part.read_bytes(), rng))
        columns._read.cache_clear()
        assert limits.run(backprop, *words, codes=(0,)).out.partition('"seconds"')[0] == expected
    return limits


def test_a_changed_cache_changes_nothing(backprop):
    check_stored(backprop, 10, 1)


@pytest.mark.long
def test_hundreds_of_changes_of_the_cache_change_nothing(backprop):
    print("500 changes of a stored table:", check_stored(backprop, 500, 2))
