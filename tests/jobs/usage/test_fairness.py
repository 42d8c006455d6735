"""The fairness statement: from what was held and waited for, hour by hour, before and after it is on record."""

from datetime import UTC

import pytest

from jobs.usage import fairness, report, rollup
from tests import builders
from tests.jobs.usage.yard import at, forget_everything, ran, roll_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_day_later(monkeypatch):
    monkeypatch.setattr(rollup, "database_now", lambda: at(30.5))


@pytest.fixture(params=["from the record", "from what happened"])
def wherever(request):
    return roll_up if request.param == "from the record" else lambda: None


def waited(job, since, until):
    """It was in line from then until then, and is cancelled there or starts."""
    builders.event(job=job, kind="submitted", to_state="pending", at=at(since))
    started = job.state != "cancelled"
    builders.event(job=job, kind="queued" if started else "cancelled", to_state="queued" if started else "cancelled",
                   attempt=1 if started else None, at=at(until))  # fmt: skip
    job.created_at = at(since)
    job.save(update_fields=["created_at"])


def week(*, seen=None, group_by="project", user=None):
    spans = report.periods("week", UTC, at(0), at(24))
    (found,) = fairness.statement(spans, group_by=group_by, seen=seen, user=user)
    return found, {one.key: one for one in found.statements}


def test_who_waits_while_others_hold_more_than_their_share_is_told_where_it_went(wherever):
    vision, speech = builders.project(slug="vision"), builders.project(slug="speech")
    node = builders.node(gpus=8, cpus=64)
    ran(0, 4, project=vision, gpus=(0, 1, 2, 3), node=node)
    waited(builders.job(state="cancelled", gpus=4, project=speech, finished_at=at(4)), 0, 4)
    wherever()
    found, of = week()
    told = of["speech"]
    assert (told.wanted, told.entitled, told.received, told.short, told.waited) == (16, 8, 0, 8, 16)
    assert told.why == "It was 8.00 short of its share, while others held more than theirs: vision 8.00."
    assert (of["vision"].received, of["vision"].entitled, of["vision"].borrowed) == (16, 8, 8)
    assert found.jain_index == 0.5


def test_demand_is_looked_at_hour_by_hour(wherever):
    vision, speech = builders.project(slug="vision"), builders.project(slug="speech")
    ran(0, 4, project=vision)
    ran(4, 8, project=speech)
    wherever()
    found, of = week()
    # Neither was in the other's way: nobody wanted anything while the other ran.
    assert (of["vision"].entitled, of["vision"].borrowed, of["speech"].lent) == (4, 0, 0)
    assert of["speech"].why == "It had all that it wanted."
    assert found.jain_index == 1


def test_what_one_does_not_want_is_lent():
    vision, speech = builders.project(slug="vision", weight=3), builders.project(slug="speech")
    ran(0, 1, project=vision, gpus=(0,))
    ran(0, 1, project=speech, gpus=(0, 1, 2))
    roll_up()
    _, of = week()
    assert (of["vision"].lent, of["speech"].borrowed, of["speech"].short) == (2, 2, 0)


def test_users_of_others_are_named_to_nobody():
    vision, speech = builders.project(slug="vision"), builders.project(slug="speech")
    ran(0, 4, project=vision, owner=builders.user(username="ada"), gpus=(0, 1))
    waited(builders.job(state="cancelled", gpus=2, project=speech, owner=builders.user(username="bob"), finished_at=at(4)), 0, 4)  # fmt: skip
    roll_up()
    _, of = week(seen=[speech.pk], group_by="user")
    assert list(of) == ["bob"]
    assert of["bob"].why.endswith("others 4.00.")
    assert list(week(group_by="user", user="ada")[1]) == ["ada"]


def test_the_statement_outlives_the_jobs():
    ran(0, 4, project=builders.project(slug="vision"))
    roll_up()
    before = week()
    forget_everything()
    assert week() == before
