"""Setting how the scheduler decides, over REST: by staff, each value judged by name, every change on record."""

import pytest

from jobs.control import scheduler_settings
from jobs.models import Attempt, SchedulerSetting, SchedulerSettingChange
from jobs.planning import cycle
from jobs.planning.policy_settings import in_force, rules
from jobs.planning.snapshot import take_snapshot
from jobs.state.tunables import TUNABLES
from tests import builders
from tests.racing import race
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
URL = f"{V1}/scheduler/settings"


@pytest.fixture
def staff():
    return client_of(builders.user(username="ops", staff=True))


def listed(client):
    return {row["name"]: row for row in client.get(URL).json()["settings"]}


def test_without_a_row_the_environment_holds(settings):
    settings.BACKFILL = "conservative"
    found = listed(client_of(builders.user()))
    assert set(found) == set(TUNABLES)
    assert (found["backfill"]["value"], found["backfill"]["source"], found["backfill"]["variable"]) == (
        "conservative", "environment", "TRAINYARD_BACKFILL",
    )  # fmt: skip
    assert found["policy"]["variable"] == "SCHEDULING_POLICY"


def test_what_staff_set_is_a_rule_of_the_next_plan_and_on_record(staff):
    done = staff.patch(
        URL, {"policy": "fifo", "preemption_gap": 5, "rebalancing": "on", "reason": "drill"}, format="json"
    )
    assert done.status_code == 200, done.content
    assert (rules().policy, rules().preemption.priority_gap, in_force()["rebalancing"]) == ("fifo", 5, "on")
    found = listed(staff)["policy"]
    assert (found["value"], found["default"], found["source"], found["set_by"], found["reason"]) == (
        "fifo", "priority", "set", "ops", "drill",
    )  # fmt: skip
    assert staff.get(f"{V1}/jobs/scheduler/info").json()["policy"] == "fifo"

    staff.patch(URL, {"policy": None, "reason": "over"}, format="json")

    assert rules().policy == "priority"
    last, *_ = rows(staff.get(f"{URL}/history?name=policy"))
    assert (last["old"], last["new"], last["by"], last["reason"]) == ("fifo", None, "ops", "over")


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"policy": "lottery"}, "policy", "Must be one of"),
        ({"reserve_depth": 0}, "reserve_depth", "whole number from 1"),
        ({"reserve_depth": 1.5}, "reserve_depth", "whole number from 1"),
        ({"reserve_depth": True}, "reserve_depth", "whole number from 1"),
        ({"floor_slack": 1.5}, "floor_slack", "from 0 to 1"),
        ({"weights": {"beauty": 1}}, "weights", "some of age"),
        ({"weights": [1]}, "weights", "numbers of at least 0"),
        ({"preemption": "priority"}, "preemption", "Must be a list"),
        ({"preemption": ["whim"]}, "preemption", "pressure, priority, reclaim"),
        ({"preemption_only_checkpointable": "yes"}, "preemption_only_checkpointable", "true or false"),
        ({"colour": "red"}, "colour", "There is no such setting. There are: policy"),
        ({"policy": "fifo", "reason": 5}, "reason", "string"),
        ({"reason": "nothing"}, "body", "Name what to set"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name_and_nothing_is_set(staff, body, field, words):
    refused = staff.patch(URL, {"backfill": "none"} | body if field != "body" else body, format="json")
    assert refused.status_code == 400
    assert words in faults(refused)[field]
    assert not SchedulerSetting.objects.exists()


def test_how_nodes_are_chosen_is_set_while_jobs_wait(staff):
    builders.job()
    builders.node()
    assert {job.kind for job in take_snapshot().waiting} == {""}
    staff.patch(URL, {"placement": "learned"}, format="json")

    assert "" not in {job.kind for job in take_snapshot().waiting}
    cycle.run_cycle()
    assert Attempt.objects.get().decision["strategy"] == "learned"


def test_what_changes_nothing_is_not_written_down(staff):
    for _ in range(2):
        staff.patch(URL, {"backfill": "none"}, format="json")
    staff.patch(URL, {"policy": None}, format="json")
    assert [row.name for row in SchedulerSettingChange.objects.all()] == ["backfill"]


def test_a_value_that_is_none_any_more_leaves_the_environment_s_and_says_so(staff):
    SchedulerSetting.objects.create(name="policy", value="gone-with-its-package", set_by="ops")
    SchedulerSetting.objects.create(name="from-a-later-release", value=1, set_by="ops")
    found = listed(staff)["policy"]
    assert (rules().policy, found["value"], found["source"]) == ("priority", "priority", "environment")
    assert "cannot be any more" in found["fault"]


@pytest.mark.parametrize("name", TUNABLES)
def test_each_default_is_a_value(name):
    assert TUNABLES[name].fault(scheduler_settings.default_of(name)) == ""


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_the_second_starts_from_the_first():
    def change(value):
        return lambda: scheduler_settings.change({"backfill": value}, actor="ops")

    race(change("none"), change("sjbf"))

    assert [(row.old, row.new) for row in SchedulerSettingChange.objects.order_by("pk")] == [
        ("easy", "none"),
        ("none", "sjbf"),
    ]
