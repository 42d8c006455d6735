"""An agent at work hears of it when its platform was upgraded beyond it, and goes on."""

import pytest

from executors.session import agreement
from executors.session.agreement import Agreement
from workers import protocol
from workers.models import PlatformProtocol

pytestmark = pytest.mark.django_db


def test_a_platform_that_went_too_far_ahead_is_told_of_once(monkeypatch, caplog):
    monkeypatch.setattr(agreement, "LOOK_SECONDS", 0.0)
    looking = Agreement()
    looking.look()
    assert caplog.text == ""
    PlatformProtocol.objects.update(oldest=protocol.PROTOCOL + 1, newest=protocol.PROTOCOL + 2)
    for _ in range(3):
        looking.look()
    assert caplog.text.count("upgrade the agent") == 1
    assert "what runs here goes on" in caplog.text


def test_it_does_not_look_with_each_heartbeat(django_assert_num_queries):
    looking = Agreement()
    with django_assert_num_queries(0):
        looking.look()
