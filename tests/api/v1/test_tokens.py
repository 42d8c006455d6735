"""Tokens: got by name and password, hashed, expiring, throttled, taken back."""

from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from knox.models import AuthToken

from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
URL = f"{V1}/auth/tokens"


@pytest.fixture(autouse=True)
def _fresh_throttles():
    cache.clear()


@pytest.fixture
def ada(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return builders.user(username="ada", password="lovelace")


def sign_in(password="lovelace", username="ada"):  # noqa: S107  a test user
    return client_of().post(URL, {"username": username, "password": password})


def bearer(token):
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_a_token_lets_its_user_in(ada):
    response = sign_in()
    assert response.status_code == 201
    assert datetime.fromisoformat(response.json()["expiry"]) > timezone.now()
    assert bearer(response.json()["token"]).get(f"{V1}/jobs").status_code == 200


def test_only_a_hash_of_it_is_kept(ada):
    token = sign_in().json()["token"]
    assert token not in str(AuthToken.objects.values().get())


def test_a_wrong_password_is_refused(ada):
    assert sign_in("wrong").status_code == 401
    assert sign_in(username="nobody").status_code == 401


def test_a_token_that_has_expired_lets_nobody_in(ada):
    _, token = AuthToken.objects.create(ada, expiry=timedelta(seconds=-1))
    assert bearer(token).get(f"{V1}/jobs").status_code == 401


def test_somebody_who_was_switched_off_is_out_at_once(ada):
    token = sign_in().json()["token"]
    type(ada).objects.update(is_active=False)
    assert bearer(token).get(f"{V1}/jobs").status_code == 401
    assert sign_in().status_code == 401


def test_a_token_that_was_given_back_is_over(ada):
    client = bearer(sign_in().json()["token"])
    assert client.delete(f"{URL}/current").status_code == 204
    assert client.get(f"{V1}/jobs").status_code == 401


def test_without_a_token_there_is_none_to_give_back(ada):
    client = client_of()
    client.login(username="ada", password="lovelace")
    assert client.delete(f"{URL}/current").status_code == 404


@pytest.mark.parametrize("body", [{}, {"username": "ada"}, {"username": "a\0", "password": "b"}, {"username": ["a"]}])
def test_a_sign_in_of_the_wrong_shape_is_refused_by_name(body):
    assert {"username", "password"} & set(faults(client_of().post(URL, body)))


def test_guessing_is_slowed_down_and_told_when_to_come_back(ada):
    answers = [sign_in("wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[10].status_code == 429
    assert 1 <= int(answers[10]["Retry-After"]) <= 60


def test_an_invented_forwarding_header_does_not_reset_the_count(ada):
    def guess(n):
        return client_of().post(URL, {"username": f"u{n}", "password": "x"}, headers={"X-Forwarded-For": f"10.0.0.{n}"})

    assert [guess(n).status_code for n in range(21)][-1] == 429


OWN = f"{URL}/own"


def test_ones_own_tokens_are_listed_without_what_lets_in(ada):
    token = sign_in().json()["token"]
    sign_in(), AuthToken.objects.create(builders.user()), AuthToken.objects.create(ada, expiry=timedelta(seconds=-1))
    found = bearer(token).get(OWN).json()
    assert [(row["current"], token.startswith(row["id"])) for row in found] == [(False, False), (True, True)]
    assert token not in str(found)


def test_a_token_brings_another_one_that_ends_no_later(ada):
    _, token = AuthToken.objects.create(ada, expiry=timedelta(days=10))
    response = bearer(token).post(OWN, {"days": 7})
    assert response.status_code == 201
    assert datetime.fromisoformat(response.json()["expiry"]) < timezone.now() + timedelta(days=7, minutes=1)
    assert bearer(response.json()["token"]).get(f"{V1}/whoami").json()["user"] == "ada"
    assert datetime.fromisoformat(bearer(token).post(OWN).json()["expiry"]) < timezone.now() + timedelta(days=10)
    assert "At most 10.0" in faults(bearer(token).post(OWN, {"days": 11}))["days"]


@pytest.mark.parametrize("days", [0, -1, "soon", 1.5, 10**9])
def test_a_token_for_no_time_is_refused(ada, days):
    assert "days" in faults(client_of(ada).post(OWN, {"days": days}))


def test_who_has_many_tokens_takes_some_back_first(ada):
    AuthToken.objects.bulk_create(AuthToken(digest=str(n), token_key=str(n), user=ada) for n in range(100))
    assert client_of(ada).post(OWN).status_code == 409


def test_a_token_that_is_taken_back_lets_nobody_in(ada):
    token, other = (sign_in().json()["token"] for _ in range(2))
    assert bearer(token).delete(f"{OWN}/{other[:15]}").status_code == 204
    assert bearer(other).get(f"{V1}/jobs").status_code == 401
    assert bearer(token).get(f"{V1}/jobs").status_code == 200


def test_nobody_takes_back_the_tokens_of_others(ada):
    row, _ = AuthToken.objects.create(builders.user())
    assert client_of(ada).delete(f"{OWN}/{row.token_key}").status_code == 404
    assert AuthToken.objects.count() == 1
    assert client_of().get(OWN).status_code == 401
