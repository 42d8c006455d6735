import io
import json
import sys

import pytest

from cli.client.profiles import config_file


@pytest.fixture
def typed(monkeypatch):
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_login_is_remembered_for_the_next_command(trainyard, yard, typed):
    yard.answers("POST", "auth/tokens", {"token": "t0k3n", "expiry": "2030-01-01T00:00:00Z"}, status=201)
    yard.lists("jobs")
    typed("ada\nsecret\n")

    assert trainyard("login", yard.url).code == 0
    assert trainyard("list").code == 0

    assert yard.asked[0].body == {"username": "ada", "password": "secret"}
    assert "Authorization" not in yard.asked[0].headers
    assert yard.asked[1].headers["Authorization"] == "Bearer t0k3n"


def test_a_wrong_password_is_refused_and_nothing_remembered(trainyard, yard, typed):
    yard.refuses("POST", "auth/tokens", 401, "This name and this password do not belong together.")
    typed("wrong\n")

    outcome = trainyard("login", yard.url, "--user", "ada")

    assert outcome.code == 1
    assert outcome.err == "error: This name and this password do not belong together.\n"
    assert trainyard("list").code == 2


def test_json_tells_where_the_login_is_kept_but_not_the_token(trainyard, yard, typed, tmp_path):
    yard.answers("POST", "auth/tokens", {"token": "t0k3n", "expiry": None}, status=201)
    typed("secret\n")

    out = trainyard("login", yard.url, "-u", "ada", "--json").out

    assert json.loads(out)["file"] == str(config_file({"HOME": str(tmp_path / "home")}))
    assert "t0k3n" not in out


def test_no_password_is_a_usage_error(trainyard, yard, typed):
    typed("")

    assert trainyard("login", yard.url, "-u", "ada").code == 2


def test_logging_out_ends_the_token_and_forgets_it(trainyard, yard, typed):
    yard.answers("POST", "auth/tokens", {"token": "t0k3n", "expiry": None}, status=201)
    yard.answers("DELETE", "auth/tokens/current", None)
    typed("secret\n")
    trainyard("login", yard.url, "-u", "ada")

    assert trainyard("logout").code == 0

    assert yard.asked[-1].headers["Authorization"] == "Bearer t0k3n"
    assert trainyard("list").code == 2


def test_logging_out_forgets_the_login_even_when_the_server_is_gone(trainyard, yard, typed):
    yard.answers("POST", "auth/tokens", {"token": "t0k3n", "expiry": None}, status=201)
    typed("secret\n")
    trainyard("login", yard.url, "-u", "ada")
    yard.stop()

    outcome = trainyard("logout")

    assert outcome.code == 3
    assert trainyard("list").code == 2
