"""A folder read: what comes along, what is left out, and what is refused by name."""

import os
import socket

import pytest

from cli.errors import UsageError
from trainyard.code.folder import read_folder


def make(top, **files):
    for path, content in files.items():
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@pytest.fixture
def top(tmp_path):
    (tmp_path / "top").mkdir()
    return tmp_path / "top"


def paths(top, **limits):
    return sorted(one.path for one in read_folder(top, **{"most_files": 1000, "most_mb": 100, **limits}))


def test_what_gitignore_and_trainyardignore_say_is_left_out_as_git_does(top):
    make(
        top,
        **{
            "train.py": "", "a.log": "", "keep.log": "", "data/big.bin": "", "src/data/x": "", "src/.gitignore": "!b.log\n/local\n",
            "src/b.log": "", "src/local": "", "src/deep/local": "", "secret.env": "", "build/out": "", "src/build/out": "",
            ".gitignore": "*.log\n!keep.log\n/data/\nbuild/\n", ".trainyardignore": "secret.env\n!a.log\n",
        },
    )  # fmt: skip
    assert paths(top) == [
        ".gitignore", ".trainyardignore", "a.log", "keep.log", "src/.gitignore", "src/b.log", "src/data/x", "src/deep/local",
        "train.py",
    ]  # fmt: skip


def test_what_never_comes_along(top):
    make(
        top,
        **{
            ".git/HEAD": "", "__pycache__/a.pyc": "", "src/__pycache__/b.pyc": "", ".trainyard/credentials.json": "",
            "env/pyvenv.cfg": "", "env/bin/python": "", "src/a.py": "", "sub/.git": "gitdir: x",
        },
    )  # fmt: skip
    assert paths(top) == ["src/a.py"]


def test_rules_of_the_repository_above_hold_too(tmp_path):
    make(
        tmp_path,
        **{".git/HEAD": "", ".gitignore": "*.bin\nsub/inner/out\n", "sub/inner/a.bin": "", "sub/inner/out": "",
           "sub/inner/a.py": ""},
    )  # fmt: skip
    assert paths(tmp_path / "sub" / "inner") == ["a.py"]


def test_no_repository_above_no_rules_above(tmp_path):
    make(tmp_path, **{".gitignore": "*\n", "sub/a.py": ""})
    assert paths(tmp_path / "sub") == ["a.py"]


def test_links_inside_stay_links_and_one_from_the_root_becomes_relative(top):
    make(top, **{"a/b.py": ""})
    (top / "link").symlink_to("a/b.py")
    (top / "a" / "absolute").symlink_to(top / "a")
    (top / "dangling").symlink_to("nowhere")
    found = {one.path: one.link for one in read_folder(top, most_files=9, most_mb=1)}
    assert found == {"a/b.py": "", "link": "a/b.py", "a/absolute": ".", "dangling": "nowhere"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "a/../../outside", ".."])
def test_a_link_that_leads_out_is_refused_by_name(top, target):
    make(top, **{"a/b.py": ""})
    (top / "the-link").symlink_to(target)
    with pytest.raises(UsageError, match="'the-link' is a link that leads out"):
        paths(top)


def test_a_link_that_leads_out_by_way_of_another_link_is_refused(top):
    make(top, **{"e/x": ""})
    (top / "d").mkdir()
    (top / "d" / "to-e").symlink_to("../e")
    (top / "sneaky").symlink_to("d/to-e/../../outside")  # read as text it stays inside
    with pytest.raises(UsageError, match="'sneaky'"):
        paths(top)


def test_names_that_are_no_text_are_refused_and_others_come_along(top):
    make(top, **{"new\nline": "", "ünï": "", " blank ": ""})
    assert paths(top) == [" blank ", "new\nline", "ünï"]
    with open(os.path.join(os.fsencode(top), b"caf\xe9"), "w"):  # noqa: PTH118, PTH123  bytes
        pass
    with pytest.raises(UsageError, match="not UTF-8"):
        paths(top)
    (top / ".trainyardignore").write_text("caf*\n")
    assert " blank " in paths(top)


def test_what_is_no_file_is_refused_by_name(top):
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(top)
        listener.bind("door")
    with pytest.raises(UsageError) as refusal:
        paths(top)
    assert all(f"'{name}' is neither" in str(refusal.value) for name in ("pipe", "door"))


def test_too_many_files_are_refused_with_where_they_are(top):
    make(top, **{f"data/{number}": "" for number in range(20)}, **{"a.py": ""})
    with pytest.raises(UsageError, match=r"more than 10 files: data/ \(10 files so far\)"):
        paths(top, most_files=10)


def test_too_much_is_refused_with_the_largest(top):
    make(top, **{"data/big": "x" * 3_000_000, "a.py": "y"})
    with pytest.raises(UsageError) as refusal:
        paths(top, most_mb=1)
    assert "2.9 MB data/big" in str(refusal.value)
    assert "2.9 MB data/" in str(refusal.value)


def test_what_is_no_folder_is_refused(top):
    with pytest.raises(UsageError, match="is no folder"):
        paths(top / "python")
