"""Guessing passwords: at the admin's door as at the API's, from one address and from many."""

import pytest
from django.core.cache import cache
from django.test import Client

from api.http.signing_in import SignInsFromAddress, SignInsOfName, address_of
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
BROWSER = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def _ada(settings, monkeypatch):
    cache.clear()
    settings.AXES_FAILURE_LIMIT = 3
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for throttle in (SignInsFromAddress, SignInsOfName):
        monkeypatch.setattr(throttle, "rate", "999/min", raising=False)
    builders.user(username="ada", password="lovelace", staff=True)


def at_the_admin(password, name="ada", address="10.0.0.1"):
    form = {"username": name, "password": password}
    return Client().post("/admin/login/", form, REMOTE_ADDR=address, headers=BROWSER)


def at_the_api(password, name="ada", address="10.0.0.1"):
    return client_of().post(f"{V1}/auth/tokens", {"username": name, "password": password}, REMOTE_ADDR=address)


@pytest.mark.parametrize("door", [at_the_admin, at_the_api])
def test_after_some_wrong_guesses_the_right_one_is_not_even_tried(door):
    assert door("lovelace").status_code in (201, 302)
    assert [door("wrong").status_code for _ in range(4)][2:] == [429, 429]
    refused = door("lovelace")
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert "Try again in 15 minutes" in refused.content.decode()


def test_guesses_at_one_door_count_at_the_other_whichever_process_saw_them():
    for _ in range(3):
        at_the_api("wrong")
    cache.clear()  # what a process remembers by itself
    assert at_the_admin("lovelace").status_code == 429


def test_others_and_the_owner_elsewhere_are_not_locked_out():
    builders.user(username="grace", password="hopper", staff=True)
    for _ in range(3):
        at_the_admin("wrong")
    assert at_the_admin("lovelace", address="10.0.0.2").status_code == 302
    assert at_the_admin("hopper", name="grace").status_code == 302


def test_the_right_password_in_time_forgives_the_wrong_ones():
    for _ in range(3):
        assert [at_the_admin(word).status_code for word in ("wrong", "wrong", "lovelace")] == [200, 200, 302]


@pytest.mark.parametrize("throttle", [SignInsFromAddress, SignInsOfName])
def test_one_address_and_one_name_may_be_tried_only_so_often_in_the_admin_too(monkeypatch, throttle):
    monkeypatch.setattr(throttle, "rate", "2/min")
    varied = {"name": "ada", "address": "10.0.0.1"}
    answers = []
    for turn in range(3):
        varied |= {"address": f"10.0.0.{turn}"} if throttle is SignInsOfName else {"name": f"user{turn}"}
        answers.append(at_the_admin("wrong", **varied))
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 60


def test_a_claimed_address_counts_only_behind_a_proxy(rf, settings):
    request = rf.get("/", headers={"X-Forwarded-For": "6.6.6.6, 10.9.9.9"}, REMOTE_ADDR="127.0.0.1")
    assert address_of(request) == "127.0.0.1"
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    assert address_of(request) == "10.9.9.9"
    assert address_of(rf.get("/", headers={"X-Forwarded-For": "nonsense"})) is None


def test_no_password_is_written_down():
    from axes.models import AccessAttempt

    at_the_admin("my-secret-password")
    [attempt] = AccessAttempt.objects.values()
    assert "my-secret-password" not in str(attempt)


@pytest.mark.parametrize("address", ["/admin/login/", "/api/v1/healthz", "/nothing"])
def test_every_answer_says_where_scripts_may_come_from(address):
    policy = Client().get(address, headers=BROWSER)["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
