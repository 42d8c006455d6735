"""Hashes of files: remembered while a file is as it was, never for one that could change unseen."""

import hashlib
import os
import time

import pytest

from cli.errors import CommandError
from trainyard.code import hashing
from trainyard.code.folder import read_folder
from trainyard.code.hashing import Hashes

PART = 10


@pytest.fixture
def top(tmp_path):
    (tmp_path / "top").mkdir()
    return tmp_path / "top"


@pytest.fixture
def reads(monkeypatch):
    found = []
    read_once = Hashes._read_once

    def counted(self, file):
        found.append(file.path)
        return read_once(self, file)

    monkeypatch.setattr(Hashes, "_read_once", counted)
    return found


def hashed(top, tmp_path):
    hashes = Hashes(tmp_path / "cache.json", PART)
    found = {one.path: hashes.parts(one)[0] for one in read_folder(top, most_files=99, most_mb=9) if not one.link}
    hashes.save()
    return hashes, found


def old(path, content):
    path.write_bytes(content)
    past = time.time_ns() - 10**12
    os.utime(path, ns=(past, past + 1))


def long_ago(monkeypatch):
    """As if all that is on the disk had been there for an hour."""
    monkeypatch.setattr("trainyard.code.hashing.time.time_ns", lambda: 10**9 * 3600 + int(time.time() * 10**9))


def test_a_file_is_named_by_its_parts(top, tmp_path):
    (top / "a").write_bytes(b"0123456789abc")
    (top / "empty").write_bytes(b"")
    hashes, found = hashed(top, tmp_path)
    parts = [hashlib.sha256(one).hexdigest() for one in (b"0123456789", b"abc")]
    assert found == {"a": parts, "empty": []}
    assert [hashes.content(part) for part in parts] == [b"0123456789", b"abc"]
    assert [hashes.size(part) for part in parts] == [10, 3]


def test_a_disk_that_gives_less_at_once_changes_no_hash(top, tmp_path, monkeypatch):
    read = os.read
    monkeypatch.setattr(os, "read", lambda opened, size: read(opened, min(size, 3)))
    test_a_file_is_named_by_its_parts(top, tmp_path)


def test_a_link_that_took_a_file_s_place_is_not_read(top, tmp_path):
    (top / "a").write_bytes(b"x")
    [found] = read_folder(top, most_files=99, most_mb=9)
    (top / "a").unlink()
    (top / "a").symlink_to("/etc/hostname")
    with pytest.raises(CommandError, match="'a' cannot be read"):
        Hashes(None, PART).parts(found)


def test_what_is_unchanged_is_not_read_again(top, tmp_path, reads, monkeypatch):
    long_ago(monkeypatch)
    (top / "a").write_bytes(b"x")
    first = hashed(top, tmp_path)[1]
    hashes, again = hashed(top, tmp_path)
    assert (first, reads) == (again, ["a"])
    assert hashes.content(again["a"][0]) == b"x"


def test_a_change_that_keeps_the_size_and_the_time_is_seen(top, tmp_path, reads, monkeypatch):
    long_ago(monkeypatch)
    old(top / "a", b"x")
    first = hashed(top, tmp_path)[1]
    old(top / "a", b"y")
    assert hashed(top, tmp_path)[1] != first


def test_what_was_changed_just_now_is_read_again(top, tmp_path, reads):
    (top / "a").write_bytes(b"x")
    hashed(top, tmp_path)
    hashed(top, tmp_path)
    assert reads == ["a", "a"]


def test_a_damaged_cache_is_none(top, tmp_path):
    (top / "a").write_bytes(b"x")
    (tmp_path / "cache.json").write_text('{"part_bytes": 10, "files": 7}')
    assert hashed(top, tmp_path)[1]["a"]
    (tmp_path / "cache.json").write_text("nonsense")
    assert hashed(top, tmp_path)[1]["a"]


def test_a_file_that_changes_while_it_is_read_is_read_again(top, tmp_path, monkeypatch):
    (top / "a").write_bytes(b"old")
    read_once, changes = Hashes._read_once, [b"newer", b"newest"]

    def changing(self, file):
        before, parts, after = read_once(self, file)
        if changes:
            (top / "a").write_bytes(changes.pop(0))
            after = (top / "a").stat()
        return before, parts, after

    monkeypatch.setattr(Hashes, "_read_once", changing)
    assert hashed(top, tmp_path)[1]["a"] == [hashlib.sha256(b"newest").hexdigest()]
    changes += [b"1", b"22", b"333"]
    with pytest.raises(CommandError, match="'a' changes all the time"):
        hashed(top, tmp_path)


def test_a_file_that_has_changed_since_gives_nothing(top, tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "KEPT_BYTES", 0)
    (top / "a").write_bytes(b"old")
    hashes, found = hashed(top, tmp_path)
    (top / "a").write_bytes(b"new")
    assert hashes.content(found["a"][0]) is None
    (top / "a").unlink()
    assert hashes.content(found["a"][0]) is None
