"""Quotas on GPU time ahead in a plan: never more ahead than they allow, everybody within them gets his turn, and is told when."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.forecast.forecast import forecast
from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.reasons import ReasonCode
from scheduling.resources import Request
from scheduling.rules import Backfill, Preemption, Rules
from scheduling.sharing.ahead.meter import course_of
from scheduling.sharing.ahead.reasons import ahead_faults
from scheduling.snapshot import Limits, ProjectView, QueueView, chain_of
from scheduling.stages import in_line, started
from tests.scheduling.builders import cpu_node, gpu_node, limited, running, share, snapshot, waiting

HOUR = 3_600
NOW = 1_000_000.0


def job(number, gpus=1, hours: float | None = 1, nodes=1, **more):
    limit = None if hours is None else int(hours * HOUR)
    return waiting(number, request=Request(gpus=gpus, nodes=nodes), max_runtime_seconds=limit, **more)


def runs(number, gpus=1, hours=1.0, first=0, **more):
    held = share(gpu_indices=tuple(range(first, first + gpus)))
    placed = running(number, held, **{name: more.pop(name) for name in ("project", "queue") if name in more})
    return replace(placed, started_at=NOW, expected_end=NOW + hours * HOUR, **more)


def vision(hours=20, **more):
    return limited("vision", gpu_seconds_ahead=int(hours * HOUR), **more)


def world(*jobs, projects=None, rules=None, **more):
    known = snapshot(*jobs, projects=(vision(),) if projects is None else projects, **more)
    return replace(known, rules=rules or Rules(), taken_at=NOW)


def placed(snap, now=NOW):
    return [one.job_id for one in make_plan(snap, now).placements]


def told(snap, number):
    return next(wait.reasons for wait in make_plan(snap, NOW).waits if wait.job_id == number)


def test_what_may_be_used_up_to_the_limits_is_within_the_quota():
    assert placed(world(job(1, 2, 8), job(2, 1, 4))) == [1, 2]
    assert placed(world(job(1, 2, 8), job(2, 1, 4.01))) == [1]


def test_what_runs_counts_with_what_is_left_of_its_limit():
    snap = world(job(1, 2, 6), running=(runs(900, 2, 6),))
    assert placed(snap) == []
    assert placed(snap, NOW + 2 * HOUR) == [1]


def test_a_gang_counts_with_all_its_nodes_and_a_part_of_a_gpu_with_its_part():
    nodes = (gpu_node("gpu-1"), gpu_node("gpu-2"))
    assert placed(world(job(1, 2, 6, nodes=2), job(2, 2, 5, nodes=2), nodes=nodes)) == [2]
    part = replace(job(1, 1, 40), request=Request(gpus=1, gpu_milli=500))
    assert placed(world(part, job(2, 1, 0.5))) == [1]


def test_a_job_without_gpus_is_not_limited():
    assert placed(world(job(1, 0, None), projects=(vision(0),))) == [1]


def test_limits_that_are_only_observed_hold_nobody_back():
    assert placed(world(job(1, 8, 100), projects=(vision(1, enforced=False),))) == [1]


@pytest.mark.parametrize("slug", ["acme", "team", "vision"])
def test_every_level_of_the_tree_is_asked(slug):
    tree = [ProjectView("acme"), ProjectView("team", "acme"), ProjectView("vision", "team")]
    projects = tuple(replace(one, limits=Limits(gpu_seconds_ahead=HOUR)) if one.slug == slug else one for one in tree)
    assert [one.subject for one in told(world(job(1, 2, 1), projects=projects), 1)] == [slug]


def test_each_user_has_what_a_quota_gives_a_user():
    each = vision(100, each_user=Limits(gpu_seconds_ahead=10 * HOUR))
    ann, more, bob = job(1, 2, 5, owner="ann"), job(2, 1, 1, owner="ann"), job(3, 1, 10, owner="bob")
    snap = world(ann, more, bob, projects=(each,))
    assert placed(snap) == [1, 3]
    assert "allows a user 10 GPU-hours ahead (10 now)" in told(snap, 2)[0].sentence


def test_a_job_that_stands_still_keeps_what_is_left_of_its_limit():
    still = runs(900, 2, 6, suspended_since=NOW)
    snap = world(job(1, 2, 6), running=(still,))
    hour = NOW + HOUR
    later = replace(snap, taken_at=hour, running=(replace(still, expected_end=hour + 6 * HOUR),))
    assert placed(later, hour) == []
    assert "As long as others stand still nobody knows" in told(snap, 1)[0].sentence


def test_what_was_placed_and_has_not_started_yet_has_all_of_its_limit_ahead():
    """The clock of its limit begins with its command, which may be a while."""
    late = NOW + 60
    pending = replace(runs(900, 2, 6), started_at=None, placed_at=NOW)
    assert placed(world(job(1, 2, 4), running=(pending,)), late) == [1]
    assert placed(world(job(1, 2, 4.01), running=(pending,)), late) == []


def test_who_was_told_to_leave_counts_until_it_is_killed():
    leaving = runs(900, 2, 9, leaving=True)
    assert placed(world(job(1, 1, 3), running=(leaving,))) == []
    assert placed(world(job(1, 1, 3), running=(replace(leaving, gone_by=NOW + 30),))) == [1]


def test_a_job_without_a_limit_waits_for_one_and_is_told_so():
    snap = world(job(1, 2, None))
    [why] = told(snap, 1)
    assert (why.code, why.subject) == (ReasonCode.QUOTA, "vision")
    assert "has no time limit" in why.sentence
    [change] = [one for one in outlook(snap, NOW, 1).changes if one.field == "max_runtime_seconds"]
    assert change.after == 10 * HOUR


def test_the_reason_has_the_numbers_the_holders_and_what_would_start_it():
    snap = world(job(1, 4, 4), running=(runs(900, 2, 4), runs(901, 1, 2, first=2)))
    [why] = told(snap, 1)
    assert why.sentence == (
        "The quota of project vision allows 20 GPU-hours ahead (10 now); this job may use 16 up to its limit of 4h. "
        "With a limit of 2h 30m it would start now. What runs leaves enough at 1970-01-12 15:46:40 UTC at the latest."
    )
    assert why.held_by == (900, 901)
    assert why.holds == {900: {"gpu_seconds_ahead": 8 * HOUR}, 901: {"gpu_seconds_ahead": 2 * HOUR}}
    assert why.shortfall == {"gpu_seconds_ahead": 6 * HOUR}


def test_what_is_offered_starts_it():
    snap = world(job(1, 4, 4), running=(runs(900, 2, 5),))
    changes = {one.field: one for one in outlook(snap, NOW, 1).changes}
    assert (changes["resources.gpus"].after, changes["max_runtime_seconds"].after) == (2, 2.5 * HOUR)
    assert changes["quota"].after == {"vision": {"gpu_hours_ahead": 26.0}}
    assert placed(replace(snap, waiting=(job(1, 4, 2.5),))) == [1]
    assert placed(replace(snap, projects=(vision(26),))) == [1]
    assert placed(replace(snap, projects=(vision(25.99),))) == []


def test_what_can_never_start_says_so():
    assert "It can never start like this: set one of at most 2h 30m" in told(world(job(1, 8, 3)), 1)[0].sentence


def test_its_turn_is_foretold_to_the_moment_at_which_enough_has_run_off():
    snap = world(job(1, 4, 4), running=(runs(900, 2, 5), runs(901, 1, 10, first=2)))
    # 20 ahead, of which 16 have to have run off: 3 an hour for 5 hours, then 1
    assert make_plan(snap, NOW).next_at == pytest.approx(NOW + 6 * HOUR, abs=1)
    assert forecast(snap, NOW)[1].latest == pytest.approx(NOW + 6 * HOUR, abs=120)
    assert outlook(snap, NOW, 1).reasons[0].expected_clear == pytest.approx(NOW + 6 * HOUR, abs=1)


def test_who_comes_later_may_start_only_beside_what_is_kept():
    """Job 1 starts in two hours: what runs shorter, or leaves enough then, is in nobody's way."""
    snap = world(job(1, 4, 4), running=(runs(900, 2, 4),))
    plan = make_plan(replace(snap, waiting=(*snap.waiting, job(2, 1, 2), job(3, 1, 5))), NOW)
    assert [one.job_id for one in plan.placements] == [2]
    [why] = next(wait.reasons for wait in plan.waits if wait.job_id == 3)
    assert (why.code, why.held_by) == (ReasonCode.AHEAD, (1,))


def test_who_runs_too_far_ahead_stops_nobody_and_takes_no_place():
    rules = Rules(preemption=Preemption(strategies=("priority",)))
    one = replace(runs(900, 6, 3, project="speech"), priority=10, checkpointable=True)
    snap = world(job(1, 4, 6, priority=90), job(2, 1, 3, project="speech"), running=(one,), rules=rules,
                 projects=(vision(), ProjectView("speech")))  # fmt: skip
    plan = make_plan(snap, NOW)
    assert [done.job_id for done in plan.placements] == [2]
    assert (plan.preemptions, plan.eligible) == ((), ())


def test_under_a_floor_too():
    queues = (QueueView("default", 10, policy="floor"),)
    snap = world(job(1, 4, 6, submitted_at=NOW), job(2, 2, 1, submitted_at=NOW), queues=queues)
    assert placed(snap) == [2]


def test_a_lowered_quota_stops_nothing_that_runs():
    plan = make_plan(world(job(1), running=(runs(900, 2, 20),)), NOW)
    assert (plan.placements, plan.preemptions) == ((), ())


def test_a_request_that_can_never_fit_is_refused_with_the_level():
    levels = (vision(), limited("acme", gpu_seconds_ahead=100 * HOUR))
    [fault] = ahead_faults(Request(gpus=4, nodes=2), 3 * HOUR, levels)
    assert (fault.field, fault.code) == ("max_runtime_seconds", "quota")
    assert fault.message == (
        "The quota of project vision allows 20 GPU-hours ahead; this job alone may use 24 up to its limit of 3h: "
        "set one of at most 2h 30m, or ask for fewer GPUs."
    )
    assert "needs a time limit" in next(ahead_faults(Request(gpus=1), None, levels)).message
    assert list(ahead_faults(Request(), None, levels)) == []


class Played:
    """A platform from plan to plan: jobs end at their limits or before, stand still, are told to leave and start again."""

    TREE = (vision(30), ProjectView("team", "vision", Limits(gpu_seconds_ahead=12 * HOUR)), ProjectView("speech"))

    def __init__(self, dice, still=0.1):
        self.dice, self.now, self.still = dice, NOW, still
        rules = Rules(
            explain=False, backfill=dice.choice(tuple(Backfill)), bounded_wait_seconds=dice.choice((None, HOUR)),
            preemption=Preemption(strategies=dice.choice(((), ("priority",))), min_runtime_seconds=0.0),
        )  # fmt: skip
        each = replace(self.TREE[0].limits, each_user=Limits(gpu_seconds_ahead=16 * HOUR))
        projects = (replace(self.TREE[0], limits=dice.choice((each, self.TREE[0].limits))), *self.TREE[1:])
        nodes = (gpu_node("gpu-1", 4), cpu_node(), gpu_node("gpu-2", 4))
        self.snap = world(projects=projects, nodes=nodes, rules=rules)
        self.ends: dict[int, float] = {}
        self.starts: dict[int, float] = {}
        self.worst: dict[str, int] = {}

    def plan(self):
        snap = self.snap = replace(self.snap, taken_at=self.now)
        plan, jobs = make_plan(snap, self.now), {one.id: one for one in snap.waiting}
        runs = {one.id: one for one in snap.running}
        for one in plan.placements:
            job = jobs.pop(one.job_id)
            self.starts.setdefault(job.id, self.now)
            runs[job.id] = started(job, one.shares, self.now)
            self.ends[job.id] = self.now + job.max_runtime_seconds * self.dice.choice((0.1, 0.6, 1.0, 1.0))
        for stop in plan.preemptions:
            runs[stop.job_id] = replace(runs[stop.job_id], leaving=True, gone_by=self.now + 60)
        self.snap = replace(snap, waiting=tuple(jobs.values()), running=tuple(runs.values()))
        self.look()
        return plan.next_at

    def look(self):
        """By the slow and obvious way."""
        projects = {one.slug: one for one in self.snap.projects}
        ahead: dict[str, int] = {}
        for one in self.snap.running:
            own = course_of(one, self.now, 0).ahead_in(0)
            for project in chain_of(one.project, projects):
                ahead[project.slug] = ahead.get(project.slug, 0) + own
                if project.limits is not None and project.limits.each_user is not None:
                    key = f"{project.slug} {one.owner}"
                    ahead[key] = ahead.get(key, 0) + own
        for slug, amount in ahead.items():
            name, _, owner = slug.partition(" ")
            limits = projects[name].limits
            most = None if limits is None else (limits.each_user if owner else limits).gpu_seconds_ahead
            assert most is None or amount <= most * 1_000 + len(self.snap.running)

    def go_on(self, seconds):
        self.now += seconds
        left = []
        for one in self.snap.running:
            if one.leaving and one.gone_by <= self.now:
                again = replace(in_line(one, self.now), max_runtime_seconds=int(one.expected_end - one.started_at))
                self.snap = replace(self.snap, waiting=(*self.snap.waiting, again))
            elif one.suspended_since is not None or self.ends[one.id] > self.now:
                left.append(self._moved(one, seconds))
        self.snap = replace(self.snap, running=tuple(left))

    def _moved(self, one, seconds):
        """Some stand still for a while; what is left of their limit counts from then on."""
        if one.suspended_since is not None:
            one = replace(one, expected_end=one.expected_end + seconds)
            self.ends[one.id] += seconds
            return replace(one, suspended_since=None) if self.dice.random() < 0.5 else one
        return replace(one, suspended_since=self.now) if self.dice.random() < self.still and not one.leaving else one


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_never_more_is_ahead_than_allowed(seed):
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same world
    played = Played(dice)
    for step in range(30):
        fresh = [
            replace(
                job(10 * step + at, dice.randint(0, 4), dice.choice((0.2, 1, 3, 6)), dice.choice((1, 1, 2)),
                    project=dice.choice(("vision", "team", "speech")), owner=dice.choice(("ann", "bob")),
                    submitted_at=played.now, priority=dice.choice((10, 50, 90))),
                checkpointable=True,
            )
            for at in range(1, dice.randint(1, 5))
        ]  # fmt: skip
        played.snap = replace(played.snap, waiting=(*played.snap.waiting, *fresh))
        played.plan()
        played.go_on(dice.choice((60, HOUR / 3, HOUR, 2 * HOUR)))
        played.look()


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from((None, HOUR)))
def test_whoever_fits_starts_however_many_small_jobs_come(seed, bound):
    """Nine tenths of the quota is a job's that came first; small ones would fill it up again and again."""
    dice = Random(seed)  # noqa: S311 - as above
    played = Played(dice, still=0)
    rules = replace(played.snap.rules, bounded_wait_seconds=bound, preemption=Preemption(strategies=()))
    gpus, hours = dice.choice(((4, 4.5), (2, 9), (3, 6)))
    first = job(1, gpus, hours, submitted_at=NOW - 1)
    busy = tuple(replace(runs(900 + at, 1, 3, first=at), shares=(share(gpu_indices=(at,)),)) for at in range(4))
    played.ends = {one.id: one.expected_end for one in busy}
    played.snap = replace(played.snap, rules=rules, running=busy, waiting=(first,), projects=(vision(20),))
    promised = played.plan()
    for step in range(40):
        small = job(1000 + step, dice.randint(1, 2), dice.choice((0.5, 1, 3)), submitted_at=played.now)
        played.snap = replace(played.snap, waiting=(*played.snap.waiting, small))
        played.plan()
        played.go_on(HOUR / 4)
    assert promised is None or played.starts[1] <= promised + HOUR / 2
    assert played.starts[1] <= NOW + 4 * HOUR
