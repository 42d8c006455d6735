"""Room kept inside quotas and queues' limits: a large job at the head of the line does not starve behind small ones."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.forecast.forecast import forecast
from scheduling.planning.plan import make_plan
from scheduling.policies import BUILT_IN
from scheduling.resources import Request
from scheduling.rules import HOUR, Backfill, Preemption, Rules
from scheduling.snapshot import ProjectView, QueueView, Reservation
from tests.scheduling.builders import cpu_node, gpu_node, limited, running, share, snapshot, waiting
from tests.scheduling.playing import Played, to_its_limit

NOW = 1000.0
NODES = (gpu_node("gpu-1"), gpu_node("gpu-2"))
POLICY_NAMES = sorted(one.name for one in BUILT_IN)


def runs(job_id, gpus, ends_in, node="gpu-1", **more):
    held = running(job_id, share(node, cpus=gpus, gpu_indices=tuple(range(gpus))), **more)
    return replace(held, started_at=NOW - 10, expected_end=NOW + ends_in)


def job(job_id, gpus, limit=100, **more):
    return waiting(job_id, request=Request(gpus=gpus), max_runtime_seconds=limit, **more)


BUSY = (runs(900, 4, 60),)
PROJECTS = (limited(gpus=8), ProjectView("other"))


def world(*jobs, running=BUSY, projects=PROJECTS, **rules):
    seen = snapshot(*jobs, running=running, nodes=NODES, projects=projects)
    return replace(seen, rules=Rules(policy="fifo", **rules))


def started(seen):
    return [one.job_id for one in make_plan(seen, NOW).placements]


HEAD = job(1, 8)
"""Its project may have 8 GPUs, and has 4 of them for another minute."""


def test_behind_a_job_that_its_quota_refuses_nothing_starts_there_that_would_delay_it():
    assert started(world(HEAD, job(2, 1, limit=61))) == []


def test_what_ends_before_the_quota_is_free_may_start():
    assert started(world(HEAD, job(2, 1, limit=60))) == [2]


def test_what_the_quota_has_left_beside_the_job_may_start():
    assert started(world(job(1, 7), job(2, 1, limit=9999), job(3, 1, limit=9999))) == [2]


def test_what_does_not_count_under_the_quota_may_start():
    cpu_only = waiting(2, max_runtime_seconds=9999)

    assert started(world(HEAD, cpu_only, job(3, 8, limit=9999, project="other"))) == [2, 3]


def test_a_job_that_its_quota_would_never_let_start_holds_nobody_up():
    assert started(world(job(1, 9), job(2, 1, limit=9999))) == [2]


@pytest.mark.parametrize(
    "stuck",
    [{"held": "ann"}, {"unmet": (77,)}, {"broken": (77,)}, {"not_before": NOW + 1}, {"queue": "shut"}, {"gpus": 16}],
)
def test_a_job_that_could_not_start_anyway_holds_nobody_up(stuck):
    first = job(1, stuck.pop("gpus", 8), **stuck)
    seen = world(first, job(2, 1, limit=9999), projects=(limited(gpus=16),), running=(runs(900, 8, 60),))

    queues = (*seen.queues, QueueView("shut", 10, "paused"))
    assert started(replace(seen, queues=queues)) == [2]


def test_the_quota_of_a_project_above_is_kept_against_all_below_it():
    tree = (limited("org", gpus=8), ProjectView("vision", "org"), ProjectView("speech", "org"), ProjectView("other"))
    sister, stranger = job(2, 1, limit=61, project="speech"), job(3, 1, limit=61, project="other")

    assert started(world(HEAD, sister, stranger, projects=tree)) == [3]


def test_two_quotas_of_one_tree_are_each_kept_for_the_first_that_they_refuse():
    """Job 1 waits for the 8 GPUs of its team, job 2 for the 13 of all teams: no room is left for what lasts too long."""
    tree = (limited("org", gpus=13), limited("vision", parent="org", gpus=8), ProjectView("speech", "org"))
    seen = world(job(1, 7), job(2, 8, project="speech"), running=(runs(900, 6, 60),), projects=tree)
    late = [job(3, 2, limit=61), job(4, 7, limit=61, project="speech")]

    plan = make_plan(replace(seen, waiting=(*seen.waiting, *late)), NOW)

    assert plan.placements == ()
    assert [(one.job_id, one.start - NOW) for one in plan.reservations] == [(1, 60), (2, 160)]


def test_a_queue_s_limit_is_kept_for_a_job_that_waits_for_room():
    """When the GPUs are free the queue has to let job 1 start, so job 2 may not run then in its place."""
    taken, queues = (runs(900, 4, 60, queue="others"),), (QueueView("default", max_running=1), QueueView("others"))

    def starts(limit):
        on_cpus = waiting(2, max_runtime_seconds=limit)
        seen = replace(world(HEAD, on_cpus, running=taken), queues=queues, nodes=(gpu_node("gpu-1"), cpu_node()))
        return started(seen)

    assert (starts(limit=60), starts(limit=61)) == ([2], [])


def test_a_quota_is_kept_for_a_job_that_waits_for_room_only():
    """Both nodes are taken for a minute, the quota is free: job 2 would fit, and would hold a GPU of it beyond."""
    taken = (runs(900, 4, 60, project="other"), runs(901, 4, 60, node="gpu-2", project="other"))

    assert started(world(HEAD, job(2, 1, limit=61), running=taken)) == []
    assert started(world(HEAD, job(2, 1, limit=60), running=taken)) == [2]


def test_without_backfilling_nothing_that_counts_there_starts_behind_it():
    seen = world(HEAD, job(2, 1, limit=10), job(3, 1, limit=10, project="other"), backfill=Backfill.NONE)

    assert started(seen) == [3]


def test_whoever_waits_behind_it_is_told_for_whom_and_until_when():
    waits = {wait.job_id: wait.reasons for wait in make_plan(world(HEAD, job(2, 1, limit=61)), NOW).waits}

    (reason,) = waits[2]
    assert (reason.code, reason.held_by) == ("ahead", (1,))
    assert "The quota of project vision has room, but it is kept for job 1" in reason.sentence
    assert [str(one.code) for one in waits[1]] == ["quota"]


def test_whoever_waits_behind_it_is_told_the_ground_and_all_else_that_keeps_it():
    """One node only, and maintenance on it before the job would have ended."""
    seen = world(HEAD, job(2, 1, limit=61, priority=10))
    shut = replace(seen, nodes=NODES[:1], reservations=(Reservation("upgrade", ("gpu-1",), NOW + 30, NOW + 90),))

    waits = {wait.job_id: wait.reasons for wait in make_plan(shut, NOW).waits}

    assert "for job 1 (queue default, priority 50: it came first)" in waits[2][0].sentence
    assert [str(one.code) for one in waits[2]] == ["ahead", "reserved"]


def test_nobody_is_stopped_for_a_job_that_would_take_what_is_kept_there_for_one_before_it():
    """Job 1 waits for all of its quota, of which six GPUs are held; job 2 would fit in the rest, but nodes are full."""
    first, second = job(1, 8, priority=95), job(2, 2, limit=9999, priority=90)
    spared, other = replace(runs(900, 6, 60), preemptible=False), {"project": "other", "priority": 10}
    wide, small = runs(901, 8, 9999, node="gpu-2", **other), runs(902, 2, 9999, **other)
    small = replace(small, checkpointable=True, shares=(share(gpu_indices=(6, 7)),))
    seen = world(
        first, second, running=(spared, wide, small), preemption=Preemption(("priority",), min_runtime_seconds=0)
    )

    assert [one.for_job for one in make_plan(replace(seen, waiting=(second,)), NOW).preemptions] == [2]
    assert make_plan(seen, NOW).preemptions == ()


def test_the_forecast_says_what_comes_true():
    seen = world(HEAD, *(job(number, 1, limit=9999) for number in range(2, 6)))

    told = forecast(seen, NOW)
    played = Played(seen, NOW, to_its_limit).until(NOW + 300)

    assert told[1].expected == played.starts[1] == NOW + 60
    assert all(told[one.id].expected == played.starts[one.id] for one in seen.waiting)


class Crowd:
    """Small jobs without end: whenever one starts another comes. Every limit of the tree is full of them."""

    def __init__(self, kind, level, dice, queue, others):
        self.kind, self.level, self.dice, self.queue, self.others = kind, level, dice, queue, others
        self.played = None
        self.came = 100

    def projects(self):
        amount = {"gpus": 8, "cpus": 8, "memory_mb": 8000, "running_jobs": 4}[self.kind]
        at = {"own": "vision", "above": "org"}[self.level]
        tree = {"org": None, "vision": "org", "speech": "org", "other": None}
        return tuple(
            limited(slug, parent=parent, **{self.kind: amount}) if slug == at else ProjectView(slug, parent)
            for slug, parent in tree.items()
        )

    def small(self, project):
        self.came += 1
        request = Request(cpus=1, memory_mb=1000, gpus=1)
        return waiting(self.came, project=project, queue=self.queue, submitted_at=self.played.now, request=request,
                       max_runtime_seconds=7200)  # fmt: skip

    def more(self, seen):
        family = ("vision", "speech") if self.level == "above" else ("vision",)
        lines = [family, ("other",)] if self.others else [family]
        for line in lines:
            there = sum(one.project in line and one.id > 100 for one in seen.waiting)
            yield from (self.small(self.dice.choice(line)) for _ in range(6 - there))


@pytest.mark.parametrize("policy", POLICY_NAMES)
@settings(max_examples=3)
@given(
    kind=st.sampled_from(["gpus", "cpus", "memory_mb", "running_jobs"]),
    level=st.sampled_from(["own", "above"]),
    others=st.booleans(),
    nodes=st.sampled_from([1, 2]),
    queue=st.sampled_from(["default", "batch"]),
    dice=st.randoms(use_true_random=False),
)
def test_nobody_starves_behind_a_quota(policy, kind, level, others, nodes, queue, dice):
    """Whatever keeps slipping in, a job starts within the bounded wait and the longest limit, also as a gang on full nodes."""
    crowd = Crowd(kind, level, dice, queue, others)
    asks = Request(cpus=8 // nodes, memory_mb=8000 // nodes, gpus=8 // nodes, nodes=nodes)
    big = waiting(1, queue="batch", priority=10, submitted_at=0.0, request=asks, max_runtime_seconds=7200)
    seen = replace(
        snapshot(big, nodes=NODES, projects=crowd.projects()),
        rules=Rules(policy=policy, bounded_wait_seconds=2 * HOUR, explain=False),
    )

    crowd.played = Played(seen, 0.0, lambda one: dice.uniform(0.5, 1) * one.max_runtime_seconds)
    crowd.played.until(4.5 * HOUR, crowd.more)

    assert crowd.played.starts.get(1, 99 * HOUR) <= 4.2 * HOUR
