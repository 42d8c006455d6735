"""Throttling: so many requests a minute for each user, and a word on when to come back."""

import pytest
from django.core.cache import cache
from rest_framework.throttling import UserRateThrottle

from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
URL = f"{V1}/queues"


@pytest.fixture(autouse=True)
def _two_a_minute(monkeypatch):
    cache.clear()
    monkeypatch.setattr(UserRateThrottle, "rate", "2/min", raising=False)


def test_who_asks_too_often_is_told_when_to_come_back():
    client = client_of(builders.user())
    assert [client.get(URL).status_code for _ in range(3)] == [200, 200, 429]
    response = client.get(URL)
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response.json()["title"] == "Too Many Requests"


def test_one_users_haste_is_not_anothers():
    hasty = client_of(builders.user())
    assert [hasty.get(URL).status_code for _ in range(3)][-1] == 429
    assert client_of(builders.user()).get(URL).status_code == 200


def test_health_is_never_throttled():
    assert {client_of().get("/healthz").status_code for _ in range(5)} == {200}
