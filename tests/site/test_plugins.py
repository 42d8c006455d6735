"""Policies from other packages: found by their entry points; one that fails is named and left out."""

from importlib.metadata import EntryPoint

import pytest
from django.core import checks as django_checks

from scheduler_site import plugins
from scheduling.policies import POLICIES, SchedulingPolicy


class Lottery(SchedulingPolicy):
    """Whoever has the luckiest number."""

    name = "lottery"

    def sort_key(self, job, queue, now):  # noqa: ARG002 - one order for all queues and times
        return job.id * 7_919 % 101


class Impostor(Lottery):
    name = "fifo"


class Broken:
    def __init__(self):
        raise RuntimeError("out of tickets")


already_made = Lottery()


@pytest.fixture(autouse=True)
def known_policies():
    before = dict(POLICIES)
    yield
    plugins.load_policies([])
    POLICIES.clear()
    POLICIES.update(before)


def plugin(value):
    return EntryPoint(name="lottery", value=f"{__name__}:{value}", group=plugins.GROUP)


@pytest.mark.parametrize("value", ["Lottery", "already_made"])
def test_a_plugin_s_policy_is_known_like_any_other(settings, value):
    assert plugins.load_policies([plugin(value)]) == []
    settings.SCHEDULING_POLICY = "lottery"
    assert isinstance(POLICIES["lottery"], Lottery)
    assert django_checks.run_checks(tags=["trainyard"]) == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("Missing", "AttributeError"),
        ("Broken", "out of tickets"),
        ("Impostor", "needs a name of its own"),
        ("GOOD_TICKET", "no SchedulingPolicy"),
        ("SchedulingPolicy", "needs a name of its own"),
    ],
)
def test_a_plugin_that_fails_is_a_warning_that_names_it_and_the_others_are_loaded(value, why):
    plugins.load_policies([plugin(value), plugin("Lottery")])
    [message] = django_checks.run_checks(tags=["trainyard"])
    assert message.id == "trainyard.W002"
    assert "'lottery'" in message.msg
    assert why in message.msg
    assert "lottery" in POLICIES


GOOD_TICKET = 42


def test_without_plugins_nothing_is_said():
    assert plugins.load_policies() == []
