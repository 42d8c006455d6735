"""The admin's page about the platform itself."""

import pytest
from django.core.cache import cache

from api.v1 import health
from jobs.messages import queue_depths
from jobs.messages.queue_depths import BrokerState
from tests import builders
from tests.admin_pages import operator, page, staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_memory():
    cache.clear()
    yield
    cache.clear()


def test_staff_see_how_the_platform_is_whatever_else_they_may(monkeypatch, settings):
    monkeypatch.setattr(health, "broker", lambda: "")
    monkeypatch.setattr(queue_depths, "ask", lambda _: BrokerState("Valkey 9.1", {"control": 42}, whole=True))
    builders.node(name="old-agent", version="0.0.1", consuming=False)
    told = {"name": "TRAINYARD_SECRET_KEY", "value": None, "source": "environment", "secret": True}
    settings.CHANGED_SETTINGS = [told]
    html = page(staff("view_job"), "/admin/system/")
    for words in (
        "Valkey 9.1",
        "<dt>control</dt><dd>42</dd>",
        "not the site's version",
        "1: old-agent",
        "(secret)",
        "jobs_job",
    ):
        assert words in html


def test_others_are_sent_to_sign_in():
    client = operator()
    client.force_login(builders.user())
    assert client.get("/admin/system/").status_code == 302


def test_while_the_broker_is_away_the_page_says_so(monkeypatch):
    def away():
        raise TimeoutError

    monkeypatch.setattr(health, "broker", away)
    html = page(operator(), "/admin/system/")
    assert "The broker does not answer." in html
    assert "It does not answer (TimeoutError)." in html
    assert "silent since" in html


def test_the_first_page_leads_there():
    assert 'href="/admin/system/"' in page(operator(), "/admin/")
