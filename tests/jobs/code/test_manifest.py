"""Manifests: any tree comes back as it was, and nothing that lies outside of the folder is taken."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.code import manifest
from jobs.code.manifest import PART_BYTES
from scheduling.errors import InvalidError
from workers.runtime.code_files import CodeFile

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw):
    """Files and links of a folder, in any order; none lies where another one is a folder."""
    paths = draw(st.lists(PATHS, unique=True, max_size=12))
    folders = {path[:end] for path in paths for end in range(len(path)) if path[end] == "/"}
    entries = []
    for path in paths:
        if path in folders:
            continue
        if draw(st.booleans()):
            target = draw(PATHS)
            entries.append({"path": path, "link": f"{'../' * path.count('/')}{target}"})
        else:
            content = draw(st.binary(max_size=20))
            parts = [hashlib.sha256(content).hexdigest()] if content else []
            entries.append({"path": path, "size": len(content), "parts": parts, "executable": draw(st.booleans())})
    return entries


def read(data):
    return manifest.read(data, most_files=1000, most_mb=100)


def digest_of(files):
    return manifest.tree_digest(manifest.written(files))


@given(trees(), st.randoms())
def test_any_tree_comes_back_as_it_was_and_has_one_name_in_whatever_order(entries, random):
    files = read(json.loads(json.dumps(entries)))
    assert manifest.unpack(manifest.pack(manifest.written(files))) == files
    said = {one["path"]: one for one in entries}
    assert {file.path for file in files} == said.keys()
    for file in files:
        entry = said[file.path]
        assert (file.size, file.executable, list(file.parts), file.link) == (
            entry.get("size", 0),
            entry.get("executable", False),
            entry.get("parts", []),
            entry.get("link", ""),
        )
    random.shuffle(entries)
    assert digest_of(read(entries)) == digest_of(files)


@given(trees(), trees())
def test_other_trees_have_other_names(one, other):
    first, second = read(one), read(other)
    assert (digest_of(first) == digest_of(second)) == (first == second)


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_is_taken_stays_below_the_folder(path, target):
    try:
        [file] = read([{"path": path, "link": target}])
    except InvalidError:
        return
    here: list[str] = []
    for name in [*file.path.split("/")[:-1], *file.link.split("/")]:
        if name == "..":
            assert here
            here.pop()
        elif name not in ("", "."):
            here.append(name)
    assert not file.path.startswith("/")
    assert not file.link.startswith("/")


@given(st.integers(0, 3 * PART_BYTES))
def test_the_parts_of_a_file_make_up_its_size(size):
    parts = tuple(f"{number:064x}" for number in range(-(-size // PART_BYTES)))
    blobs = manifest.blobs([CodeFile("a", size, parts=parts)])
    assert sum(blobs.values()) == size
    assert all(0 < one <= PART_BYTES for one in blobs.values())


def test_one_hash_has_one_size():
    with pytest.raises(InvalidError):
        manifest.blobs([CodeFile("a", 1, parts=("0" * 64,)), CodeFile("b", 2, parts=("0" * 64,))])
