"""By what an environment is known again, and what is refused before anything is built."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.environments.pythons import Python, installed
from workers.environments.recipes import RecipeError, choose, recipe

PYTHONS = [Python((3, 11, 7), "/usr/bin/python3.11", "/usr"), Python((3, 12, 1), "/opt/bin/python3.12", "/opt")]


@pytest.fixture
def key(tmp_path):
    """The key of a file with this content, in code with this digest."""

    def of(
        text,
        *,
        kind="requirements",
        path="requirements.txt",
        digest="d",
        python="",
        pythons=PYTHONS,
        owner="",
        **beside,
    ):
        (tmp_path / path).write_text(text)
        for name, content in beside.items():
            (tmp_path / name).write_text(content)
        return recipe(kind, path, tmp_path, digest=digest, python=python, pythons=pythons, owner=owner).key

    return of


def test_the_same_file_is_the_same_environment_whatever_else_changes(key):
    text = "numpy==2.1  # fast\ntorch[cuda] >= 2 ; sys_platform == 'linux'\n--extra-index-url https://x/simple\n"
    assert key(text, digest="one") == key(text, digest="two")


@pytest.mark.parametrize("line", ["-e .", "-r other.txt", "./package", "../x", "wheels/", "x @ file:./package", "."])
def test_what_names_more_of_the_code_counts_with_all_of_it(key, line):
    assert key(f"{line}\n", digest="one") != key(f"{line}\n", digest="two")


def test_a_file_that_is_named_counts_by_its_content(key):
    one = key("./w.whl\n", digest="one", **{"w.whl": "1"})
    assert one == key("./w.whl\n", digest="two", **{"w.whl": "1"})
    assert one != key("./w.whl\n", digest="two", **{"w.whl": "2"})


def test_another_python_owner_or_kind_is_another_one(key):
    keys = [key("a"), key("a", python="3.12"), key("a", owner="vision"), key("b"), key("a", pythons=PYTHONS[1:])]
    assert len(set(keys)) == 4  # the last has the Python of the second


def test_a_lock_counts_with_its_project(key, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    lock = 'version = 1\n[[package]]\nname = "a"\nsource = { virtual = "." }\n'
    one = key(lock, kind="lock", path="uv.lock", digest="one")
    assert one == key(lock, kind="lock", path="uv.lock", digest="two")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "2"\n')
    assert one != key(lock, kind="lock", path="uv.lock", digest="one")
    local = lock + '[[package]]\nname = "b"\nsource = { directory = "b" }\n'
    assert key(local, kind="lock", path="uv.lock", digest="one") != key(
        local, kind="lock", path="uv.lock", digest="two"
    )


@pytest.mark.parametrize(
    ("asked", "requires", "version"), [("", "", "3.11.7"), ("3.12", "", "3.12.1"), ("", ">=3.12", "3.12.1")]
)
def test_the_first_python_that_suits(asked, requires, version):
    assert choose(PYTHONS, asked, requires).full == version


@pytest.mark.parametrize(("asked", "requires"), [("3.9", ""), ("", "<3"), ("3.11", ">=3.12"), ("", "what")])
def test_a_python_that_is_not_there_is_named(asked, requires):
    with pytest.raises(RecipeError, match=asked or requires):
        choose(PYTHONS, asked, requires)


def test_what_is_no_toml_is_said(key):
    with pytest.raises(RecipeError, match="is no TOML"):
        key("[", kind="project", path="pyproject.toml")


@given(st.text(max_size=200))
def test_no_content_breaks_it(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("code")
    (folder / "requirements.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert recipe("requirements", "requirements.txt", folder, digest="d", python="", pythons=PYTHONS, owner="").key


def test_pythons_are_programs_of_the_path_and_this_one(tmp_path):
    (tmp_path / "python3.99").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "python3.99").chmod(0o755)
    found = installed(str(tmp_path))
    assert [one.minor for one in found] == ["{}.{}".format(*sys.version_info)]
