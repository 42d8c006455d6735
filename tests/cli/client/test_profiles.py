"""Several servers: a login each, named, listed, chosen, forgotten."""

import io
import json
import sys

import pytest

from cli.client.connection import find_connection, save_login
from cli.client.profiles import config_file
from cli.errors import UsageError


@pytest.fixture
def home(tmp_path):
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def two(home):
    save_login("https://one.example", "first", "2030-01-01", environ=home)
    return save_login("https://two.example", "second", "2030-02-01", environ=home, profile="work")


def find(home, tmp_path, url=None, **more):
    found = find_connection(url, None, environ={**home, **more.pop("environ", {})}, folder=tmp_path, **more)
    return found.url, found.token


def test_a_named_login_is_used_where_it_is_named(home, two, tmp_path):
    assert find(home, tmp_path) == ("https://one.example", "first")
    assert find(home, tmp_path, profile="work") == ("https://two.example", "second")
    assert find(home, tmp_path, environ={"TRAINYARD_PROFILE": "work"}) == ("https://two.example", "second")
    assert two.stat().st_mode & 0o777 == 0o600


def test_an_option_goes_before_the_environment_and_an_address_before_a_profile(home, two, tmp_path):
    environ = {"TRAINYARD_URL": "https://one.example", "TRAINYARD_PROFILE": "work"}
    assert find(home, tmp_path, environ=environ)[0] == "https://one.example"
    assert find(home, tmp_path, environ=environ, profile="work")[0] == "https://two.example"
    with pytest.raises(UsageError, match="--url and --profile"):
        find(home, tmp_path, "https://one.example", profile="work")


def test_an_address_finds_its_token_in_any_profile(home, two, tmp_path):
    assert find(home, tmp_path, "https://two.example") == ("https://two.example", "second")


def test_a_profile_that_is_not_there_is_named_with_those_that_are(home, two, tmp_path):
    with pytest.raises(UsageError, match="there are: default, work"):
        find(home, tmp_path, profile="wrok")


def test_the_only_login_needs_no_name_unless_there_is_a_local_stack(home, tmp_path):
    save_login("https://two.example", "second", "", environ=home, profile="work")
    assert find(home, tmp_path) == ("https://two.example", "second")
    (tmp_path / ".trainyard").mkdir()
    (tmp_path / ".trainyard" / "credentials.json").write_text('{"url": "http://127.0.0.1:8000", "token": "local"}')
    assert find(home, tmp_path) == ("http://127.0.0.1:8000", "local")


def test_profiles_are_listed_chosen_and_forgotten(trainyard, home, two, tmp_path):
    assert [row["current"] for row in json.loads(trainyard("profiles", "--json").out)] == [True, False]
    assert trainyard("profiles", "use", "work").code == 0
    assert find(home, tmp_path)[0] == "https://two.example"
    assert "current" in trainyard("profiles").out.splitlines()[2]
    assert trainyard("profiles", "remove", "work").code == 0
    assert find(home, tmp_path)[0] == "https://one.example"
    assert trainyard("profiles", "use", "work").code == 2
    assert "second" not in two.read_text()


def test_no_token_is_listed(trainyard, two):
    assert "first" not in trainyard("profiles").out + trainyard("profiles", "--json").out


def test_a_login_is_kept_and_ended_under_its_name(trainyard, yard, two, home, monkeypatch):
    yard.answers("POST", "auth/tokens", {"token": "third", "expiry": None}, status=201)
    yard.answers("DELETE", "auth/tokens/current", None)
    yard.lists("jobs")
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))

    assert trainyard("login", yard.url, "-u", "ada", "--profile", "lab").code == 0
    assert trainyard("--profile", "lab", "list").code == 0
    assert trainyard("list", "--profile", "lab").code == 0
    assert trainyard("logout", "--profile", "lab").code == 0

    assert yard.asked[-1].headers["Authorization"] == "Bearer third"
    assert "third" not in config_file(home).read_text()
    assert trainyard("list", "--profile", "lab").code == 2


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, 'a"]'])
def test_a_name_that_cannot_be_one_is_refused(trainyard, yard, name):
    if name:
        assert trainyard("login", yard.url, "-u", "ada", "--profile", name).code == 2
    assert not yard.asked
