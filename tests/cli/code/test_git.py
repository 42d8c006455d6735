"""Where a repository stands, and what of the folder is not committed."""

import subprocess

import pytest

from trainyard.code.git import origin

MOST = 1000


@pytest.fixture
def git(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("init", "-q")
    return run


def test_a_commit_a_branch_and_nothing_else(git, tmp_path):
    (tmp_path / "a.py").write_text("one\n")
    git("add", ".")
    git("commit", "-qm", "x")
    assert origin(tmp_path, ["a.py"], diff_bytes=MOST) == {
        "commit": git("rev-parse", "HEAD"), "branch": "main", "dirty": False, "diff": "",
    }  # fmt: skip


def test_the_diff_has_what_comes_along_and_nothing_that_is_left_out(git, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("sub/a b.py", "sub/gone.py", "sub/secret", "other.py"):
        (tmp_path / name).write_text("one\n")
    git("add", ".")
    git("commit", "-qm", "x")
    for name in ("sub/a b.py", "sub/secret", "other.py"):
        (tmp_path / name).write_text("two\n")
    (tmp_path / "sub" / "gone.py").unlink()
    found = origin(tmp_path / "sub", ["a b.py", "new.py"], diff_bytes=MOST)
    assert found["dirty"]
    assert "b/a b.py" in found["diff"]
    assert "gone.py" in found["diff"]
    assert "secret" not in found["diff"]
    assert "other.py" not in found["diff"]
    assert len(origin(tmp_path / "sub", ["a b.py"], diff_bytes=20)["diff"]) == 20


def test_a_new_file_makes_it_dirty_and_has_no_diff(git, tmp_path):
    (tmp_path / "a.py").write_text("one\n")
    git("add", ".")
    git("commit", "-qm", "x")
    (tmp_path / "new.py").write_text("new\n")
    found = origin(tmp_path, ["a.py", "new.py"], diff_bytes=MOST)
    assert (found["dirty"], found["diff"]) == (True, "")
    assert not origin(tmp_path, ["a.py"], diff_bytes=MOST)["dirty"]


def test_a_repository_without_a_commit_and_no_repository(git, tmp_path, tmp_path_factory):
    (tmp_path / "a.py").write_text("one\n")
    found = origin(tmp_path, ["a.py"], diff_bytes=MOST)
    assert "commit" not in found
    assert found["branch"] == "main"
    assert origin(tmp_path_factory.mktemp("none"), [], diff_bytes=MOST) == {}
