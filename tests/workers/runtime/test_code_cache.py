"""The cache of code: what is in it is what its name says, whoever meddles; copies are private; what is old goes first."""

import hashlib
import os
import threading

import pytest

from workers.runtime.code_cache import CodeCache, SpoiltError
from workers.runtime.code_files import CodeFile


def name(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache").mkdir()
    return CodeCache(tmp_path / "cache", 1000)


def kept(tmp_path):
    return sorted(path.read_bytes() for path in (tmp_path / "cache").glob("??/*"))


def test_a_copy_has_the_files_their_bits_and_the_links(cache, tmp_path):
    one, two = b"#!/bin/sh\n", b"x" * 100
    for data in (one, two):
        cache.add(name(data), data)
    files = [
        CodeFile("a/link", link="../bin/run"),
        CodeFile("bin/run", len(one), True, (name(one),)),
        CodeFile("empty"),
        CodeFile("two", 110, parts=(name(two), name(one))),
    ]
    target = tmp_path / "copy"
    cache.copy(files, target)
    assert (target / "a" / "link").read_bytes() == one
    assert os.access(target / "bin" / "run", os.X_OK)
    assert not os.access(target / "two", os.X_OK) or os.geteuid() == 0
    assert (target / "two").stat().st_mode & 0o777 == 0o644
    assert (target / "two").read_bytes() == two + one
    assert (target / "empty").read_bytes() == b""


def test_what_a_job_does_to_its_copy_stays_there(cache, tmp_path):
    cache.add(name(b"one"), b"one")
    files = [CodeFile("a", 3, parts=(name(b"one"),))]
    cache.copy(files, tmp_path / "first")
    (tmp_path / "first" / "a").write_bytes(b"changed")
    cache.copy(files, tmp_path / "second")
    assert (tmp_path / "second" / "a").read_bytes() == b"one"


def test_what_was_changed_in_the_cache_is_found_and_forgotten(cache, tmp_path):
    cache.add(name(b"one"), b"one")
    [blob] = (tmp_path / "cache").glob("??/*")
    blob.write_bytes(b"evil")
    with pytest.raises(SpoiltError, match="was changed"):
        cache.copy([CodeFile("a", 3, parts=(name(b"one"),))], tmp_path / "copy")
    assert cache.missing([name(b"one")]) == [name(b"one")]


def test_what_has_another_hash_is_not_taken(cache, tmp_path):
    with pytest.raises(SpoiltError):
        cache.add(name(b"one"), b"two")
    assert kept(tmp_path) == []


def test_what_was_used_longest_ago_goes_and_what_is_in_use_stays(cache, tmp_path):
    contents = [bytes([number]) * 300 for number in range(5)]
    for age, data in enumerate(contents):
        cache.add(name(data), data)
        path = tmp_path / "cache" / name(data)[:2] / name(data)
        os.utime(path, (age, age))
    with cache.held([name(contents[0])]):
        cache.trim()
    assert kept(tmp_path) == sorted([contents[0], contents[3], contents[4]])
    cache.trim(also_bytes=10_000)
    assert kept(tmp_path) == []


def test_nothing_is_thrown_out_below_the_limit(cache, tmp_path):
    cache.add(name(b"one"), b"one")
    cache.trim()
    assert kept(tmp_path) == [b"one"]


def test_many_at_once_neither_lose_nor_spoil_anything(cache, tmp_path):
    data = b"x" * 500
    files = [CodeFile("a", 500, parts=(name(data),))]
    faults = []

    def work(number):
        try:
            for turn in range(20):
                with cache.held([name(data)]):
                    cache.add(name(data), data)
                    cache.copy(files, tmp_path / f"copy-{number}-{turn}")
                    cache.trim()
        except Exception as error:  # noqa: BLE001  whatever it is
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
