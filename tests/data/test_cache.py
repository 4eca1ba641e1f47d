import gzip
import hashlib
import os
from pathlib import Path

import platformdirs
import pytest

from backprop_cli.data.cache import Cache, RemoteFile
from backprop_cli.errors import DataError

DATA = b"the unpacked file" * 100
PACKED = gzip.compress(DATA, mtime=0)
FILE = RemoteFile(
    "file.gz", len(PACKED), hashlib.sha256(PACKED).hexdigest(), len(DATA), hashlib.sha256(DATA).hexdigest()
)


@pytest.fixture
def mirror(serve, tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "file.gz").write_bytes(PACKED)
    return serve(folder)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def offline(folder):
    return Cache(folder, offline=True)


def test_a_file_is_fetched_once_and_then_used_without_the_network(mirror, folder):
    assert Cache(folder).fetch(FILE, "set", (mirror.url,)) == DATA
    assert offline(folder).fetch(FILE, "set", ()) == DATA
    assert len(mirror.requests) == 1
    assert sorted(p.name for p in (folder / "set").iterdir()) == ["file", "file.gz"]


def test_the_second_use_does_not_unpack_again(mirror, folder):
    Cache(folder).fetch(FILE, "set", (mirror.url,))
    (folder / "set" / "file.gz").unlink()
    assert offline(folder).fetch(FILE, "set", ()) == DATA


def test_the_users_mirror_is_asked_first(mirror, folder):
    Cache(folder, mirror=mirror.url).fetch(FILE, "set", ("http://127.0.0.1:1/",))
    assert len(mirror.requests) == 1


def test_the_next_mirror_is_asked_when_one_fails(mirror, folder):
    lines = []
    cache = Cache(folder, log=lines.append)
    assert cache.fetch(FILE, "set", (mirror.url + "nothing/", mirror.url)) == DATA
    assert "404" in "".join(lines)


@pytest.mark.parametrize("place", ["set/file.gz", "set/file", "file.gz", "file"])
def test_a_file_copied_into_the_cache_is_found(folder, place):
    path = folder / place
    path.parent.mkdir(parents=True)
    path.write_bytes(PACKED if place.endswith("gz") else DATA)
    assert offline(folder).fetch(FILE, "set", ()) == DATA


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_damaged_file_is_detected_and_replaced(mirror, folder, name):
    Cache(folder).fetch(FILE, "set", (mirror.url,))
    for path in (folder / "set").iterdir():
        if path.name != name:
            path.unlink()
    path = folder / "set" / name
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    lines = []
    assert Cache(folder, log=lines.append).fetch(FILE, "set", (mirror.url,)) == DATA
    assert "not the original" in lines[0]
    assert path.read_bytes() == good


def test_offline_never_touches_the_network(mirror, folder):
    with pytest.raises(DataError, match="no download attempted"):
        Cache(folder, mirror=mirror.url, offline=True).fetch(FILE, "set", (mirror.url,))
    assert mirror.requests == []


def test_a_damaged_file_is_reported_in_offline_mode(folder):
    (folder / "set").mkdir(parents=True)
    (folder / "set" / "file.gz").write_bytes(PACKED[:-1])
    with pytest.raises(DataError, match="not the original"):
        offline(folder).fetch(FILE, "set", ())


def test_the_error_lists_what_was_tried_and_what_to_do(folder, mirror):
    with pytest.raises(DataError) as error:
        Cache(folder).fetch(FILE, "set", (mirror.url + "nothing", "http://127.0.0.1:1/"))
    text = str(error.value)
    assert "/nothing/file.gz: HTTP 404" in text
    assert "http://127.0.0.1:1/file.gz: " in text
    assert f"{len(PACKED):,} bytes" in text
    assert FILE.sha256 in text
    assert str(folder / "set") in text
    assert "configs/digits.yaml" in text
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_complete_cache_may_be_read_only(folder):
    (folder / "set").mkdir(parents=True)
    (folder / "set" / "file.gz").write_bytes(PACKED)
    (folder / "set").chmod(0o500)
    try:
        assert offline(folder).fetch(FILE, "set", ()) == DATA
    finally:
        (folder / "set").chmod(0o700)


def test_files_get_the_users_umask(mirror, folder):
    before = os.umask(0o027)
    try:
        Cache(folder).fetch(FILE, "set", (mirror.url,))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (folder / "set").iterdir()} == {0o640}


def test_without_a_home_directory_only_downloads_need_a_folder(backprop, tiny, monkeypatch, tmp_path):
    def no_home(name):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(platformdirs, "user_cache_path", no_home)
    assert backprop("train", tiny, "epochs=1", "-q").code == 0
    assert backprop("data", "path", "digits", "-q").code == 0
    for words in (("data", "path"), ("data", "fetch")):
        done = backprop(*words, "mnist")
        assert (done.code, done.out) == (5, "")
        assert done.err == "error: no home directory for downloads; choose a folder with --data-dir\n"
    assert backprop("data", "path", "mnist", "--data-dir", tmp_path).code == 0


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc/self/maps")
def test_a_cached_file_is_mapped_so_that_processes_share_it(mirror, folder):
    Cache(folder).fetch(FILE, "set", (mirror.url,))
    content = offline(folder).fetch(FILE, "set", ())
    assert str(folder / "set" / "file") in Path("/proc/self/maps").read_text()
    assert (content == DATA, memoryview(content).readonly) == (True, True)
