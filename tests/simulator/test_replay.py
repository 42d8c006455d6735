"""Small traces with the answers worked out by hand."""

from dataclasses import replace

import pytest

from scheduling.planning.plan import Plan, PlannedPreemption, make_plan
from simulator.clock import Clock
from simulator.cluster import pool
from simulator.replay import Replay
from simulator.settings import Preemption, Rules, RunTimes, Ties
from simulator.trace import SimulationError, TraceError
from tests.simulator.builders import job, jobs, replayed, starts


def unlimited(job):
    return replace(job, walltime_s=None)


def test_a_job_starts_when_it_comes_and_ends_when_it_is_done():
    [one] = replayed(jobs((5, 60, 2)), 4).jobs

    assert (one.start, one.end, one.wait_s, one.bounded_slowdown) == (5, 65, 0, 1)


def test_backfilling_starts_what_does_not_delay_the_first_in_line():
    """Job 1 can start at 100, when job 0 must have ended: job 2 is done by then, job 3 is not."""
    rows = jobs((0, 100, 3), (10, 50, 4), (20, 80, 1), (30, 80, 1))

    assert starts(replayed(rows, 4, backfill="easy")) == {0: 0, 1: 100, 2: 20, 3: 150}
    assert starts(replayed(rows, 4, backfill="none")) == {0: 0, 1: 100, 2: 150, 3: 150}


def test_shortest_job_backfilling_looks_at_the_shortest_first():
    """Two fit beside job 0, one at a time: the one that came last is the shorter one."""
    rows = jobs((0, 100, 3), (10, 50, 4), (20, 60, 1), (20, 30, 1))

    assert starts(replayed(rows, 4, backfill="easy")) == {0: 0, 1: 100, 2: 20, 3: 150}
    assert starts(replayed(rows, 4, backfill="sjbf")) == {0: 0, 1: 100, 2: 150, 3: 20}


def test_a_job_without_a_limit_is_taken_to_run_for_as_long_as_the_platform_assumes_and_is_not_stopped():
    """Job 1 needs all that job 0 holds, so room is kept for it a day after its start: job 2 of two days would delay it."""
    two_days = 2 * 86_400
    rows = [unlimited(job(0, 0, two_days, 3)), job(1, 10, 5, 4), job(2, 20, two_days, 1), job(3, 30, 60, 1)]

    outcome = replayed(rows, 4)

    assert starts(outcome) == {0: 0, 1: two_days, 2: two_days + 5, 3: 30}


def test_a_job_that_finds_no_room_starts_when_there_is():
    outcome = replayed(jobs((0, 60, 3), (10, 5, 3)), 4)

    assert starts(outcome) == {0: 0, 1: 60}
    assert outcome.jobs[1].wait_s == 50
    assert outcome.jobs[1].bounded_slowdown == 5.5  # (50 + 5) / 10: nothing is taken for shorter than ten seconds


def test_room_is_given_away_by_the_end_and_not_by_the_walltime():
    assert starts(replayed(jobs((0, 60, 4, 600), (10, 5, 4)), 4)) == {0: 0, 1: 60}


def test_by_natural_ties_who_comes_as_another_ends_finds_its_room():
    assert starts(replayed(jobs((0, 60, 4, 600), (60, 5, 4)), 4)) == {0: 0, 1: 60}


class Recorder:
    """Plans as the planner does, and keeps what it was shown."""

    def __init__(self):
        self.seen = []

    def __call__(self, snapshot, now):
        self.seen.append((now, [job.id for job in snapshot.waiting], [job.id for job in snapshot.running]))
        return make_plan(snapshot, now)


def test_natural_ties_make_one_plan_of_all_that_happens_at_an_instant():
    planner = Recorder()

    replayed(jobs((0, 60, 4), (60, 5, 1), (60, 5, 1)), 4, planner=planner)

    assert planner.seen == [(0, [0], []), (60, [1, 2], [])]


def test_pyss_plans_after_each_arrival_and_then_after_each_end():
    """Job 0 asked for more than it ran and still runs when 2 and 3 come; 1 should have ended by then, and is gone."""
    planner = Recorder()

    replayed(jobs((0, 60, 2, 600), (0, 60, 2), (60, 5, 3), (60, 5, 3)), 4, planner=planner, ties=Ties.PYSS)

    assert planner.seen[2:5] == [(60, [2], [0]), (60, [2, 3], [0]), (60, [2, 3], [])]


def test_pyss_may_give_room_away_before_its_holder_has_gone():
    outcome = replayed(jobs((0, 60, 4), (60, 5, 4)), 4, ties=Ties.PYSS)

    assert starts(outcome) == {0: 0, 1: 60}
    assert [one.job.number for one in outcome.jobs] == [0, 1]


def test_no_plan_is_made_while_nobody_waits():
    assert replayed(jobs((0, 60, 1), (0, 70, 1)), 4).plans == 1


def test_the_planner_knows_the_walltime_and_nothing_more():
    seen = []

    def planner(snapshot, now):
        seen.extend(snapshot.waiting)
        return make_plan(snapshot, now)

    replayed(jobs((0, 60, 1, 600)), 4, planner=planner)
    replayed(jobs((0, 60, 1, 600)), 4, planner=planner, run_times=RunTimes.EXACT)

    assert [(one.max_runtime_seconds, one.predicted_seconds) for one in seen] == [(600, None), (60, None)]


def test_learned_run_times_come_from_the_jobs_of_the_same_user():
    seen: dict[int, tuple[int | None, float | None]] = {}

    def planner(snapshot, now):
        seen.update((one.id, (one.max_runtime_seconds, one.predicted_seconds)) for one in snapshot.waiting)
        return make_plan(snapshot, now)

    rows = [job(0, 0, 20, walltime=900, user="ann"), job(1, 0, 40, walltime=900, user="ann")]
    rows += [job(2, 50, 10, walltime=900, user="ann"), job(3, 50, 10, walltime=900, user="bob", group="other")]
    replayed(rows, 4, planner=planner, run_times=RunTimes.LEARNED)

    assert seen[2][0] == 900
    assert seen[2][1] == pytest.approx(30)
    assert seen[3] == (900, None)


def once(preemption):
    """A planner that makes one job give way the first time it is asked at or after a moment."""
    done: list[float] = []

    def planner(snapshot, now):
        plan = make_plan(snapshot, now)
        running = {one.id for one in snapshot.running}
        if not done and preemption.job_id in running and preemption.for_job in plan.line:
            done.append(now)
            return Plan(plan.placements, (), plan.line, preemptions=(preemption,))
        return plan

    return planner


STOP_THE_FIRST = PlannedPreemption(job_id=0, for_job=1, strategy="priority", lost_seconds=0)


def stopped(**settings):
    rows = [job(0, 0, 100, 4, priority=10), job(1, 70, 50, 4, priority=90)]
    return replayed(rows, 4, policy="priority", planner=once(STOP_THE_FIRST), **settings)


def test_who_is_stopped_starts_again_from_nothing():
    urgent, victim = stopped().jobs

    assert (urgent.start, urgent.end, urgent.preemptions) == (70, 120, 0)
    assert (victim.start, victim.end, victim.preemptions, victim.lost_s) == (0, 220, 1, 70)
    assert victim.wait_s == 120  # 50 in line and 70 of work that had to be done again


def test_who_writes_checkpoints_goes_on_from_the_last_one():
    _, victim = stopped(checkpoint_s=30).jobs

    assert (victim.end, victim.lost_s) == (160, 10)


def test_the_planner_stops_whom_its_rules_let_it_stop():
    rows = [job(0, 0, 2000, 4, priority=10), job(1, 1000, 50, 4, priority=90)]
    preemption = Preemption(strategies=("priority",), only_checkpointable=False)
    rules = Rules(policy="priority", preemption=preemption, explain=False)

    urgent, victim = replayed(rows, 4, rules=rules).jobs

    assert (urgent.start, urgent.preemptions) == (1000, 0)
    assert (victim.end, victim.preemptions, victim.lost_s) == (3050, 1, 1000)


def test_whose_deadline_is_next_goes_first_and_who_has_none_last():
    rows = [job(0, 0, 60), job(1, 1, 9), job(2, 2, 9, deadline_s=900), job(3, 3, 9, deadline_s=500)]

    assert starts(replayed(rows, 1, policy="edf")) == {0: 0, 3: 60, 2: 69, 1: 78}


def test_each_run_is_kept_with_its_nodes():
    assert [(run.number, run.start, run.end, run.nodes) for run in stopped().runs] == [
        (0, 0, 70, ("pool",)),
        (1, 70, 120, ("pool",)),
        (0, 120, 220, ("pool",)),
    ]


def test_a_job_that_can_never_start_is_refused_before_anything_runs():
    with pytest.raises(TraceError, match=r"line 1: job 0 can never start"):
        replayed(jobs((0, 60, 5)), 4)


def test_a_planner_that_leaves_jobs_behind_is_found_out():
    def planner(snapshot, now):
        return replace(make_plan(snapshot, now), placements=(), alerts=("I start nobody.",))

    with pytest.raises(SimulationError, match=r"1 jobs wait on an empty cluster .* first job 0\. I start nobody\."):
        replayed(jobs((0, 60, 1)), 4, planner=planner)


def test_progress_is_told():
    told: list[int] = []

    Replay(jobs(*[(at, 1, 1) for at in range(600)]), pool(1)).run(told.append)

    assert told == [256, 512]


def test_the_clock_forgets_the_end_of_who_was_stopped():
    clock = Clock(jobs((0, 1, 1)))
    clock.advance()
    clock.run_until(50, 0)
    clock.stop(0)
    clock.run_until(80, 0)

    assert clock.advance() == ([], [0])
    assert clock.now == 80
    assert clock.advance() is None
