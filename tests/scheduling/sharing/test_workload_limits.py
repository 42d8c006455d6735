"""A workload that runs only so many of its jobs at once, and one that starts nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.reasons import ReasonCode
from scheduling.resources import Request
from scheduling.snapshot import WorkloadView
from tests.scheduling.builders import gpu_node, running, share, snapshot, waiting

GPU = Request(gpus=1)
SWEEP = (WorkloadView("1", "sweep", 2),)


def world(*jobs, running=(), workloads=SWEEP, gpus=16, **more):
    made = snapshot(*jobs, nodes=(gpu_node(number=gpus),), running=running, **more)
    return replace(made, workloads=workloads)


def asks(job_id, workload="1", **more):
    return waiting(job_id, request=GPU, workload=workload, max_runtime_seconds=50, **more)


def runs(job_id, *indices, until=100.0, workload="1"):
    job = running(job_id, share(gpu_indices=indices))
    return replace(job, workload=workload, started_at=0.0, expected_end=until)


def started_in(snap, now=0.0):
    return [one.job_id for one in make_plan(snap, now).placements]


def reasons_of(snap, job_id, now=0.0):
    return next(wait.reasons for wait in make_plan(snap, now).waits if wait.job_id == job_id)


def test_it_runs_so_many_at_once_and_holds_nobody_else_up():
    jobs = [*(asks(number) for number in (1, 2, 3, 4)), asks(5, workload=""), asks(6, workload="2")]

    assert started_in(world(*jobs)) == [1, 2, 5, 6]


def test_who_is_refused_is_told_the_number_the_holders_and_when_the_first_of_them_ends():
    held = (runs(8, 0, until=60), runs(9, 1, until=90), runs(10, 2, workload=""))

    [reason] = outlook(world(asks(1), running=held), 0.0, 1).reasons

    assert reason.code is ReasonCode.WORKLOAD_LIMIT
    assert reason.sentence == "Workload sweep allows 2 running jobs (2 running)."
    assert (reason.shortfall, set(reason.held_by), reason.expected_clear) == ({"running_jobs": 1}, {8, 9}, 60.0)


def test_its_next_job_is_foretold_for_when_one_of_it_ends():
    held = (runs(8, 0, until=60), runs(9, 1, until=90))

    told = outlook(world(asks(1), running=held), 0.0, 1)

    assert told.start.expected == 60.0


def test_jobs_behind_those_of_a_full_workload_start_at_once_where_others_wait_for_room():
    """Nothing is kept on the nodes for who could not use it."""
    held = (runs(8, 0), runs(9, 1))
    jobs = [asks(1), asks(2), asks(3, workload="")]

    assert started_in(world(*jobs, running=held, gpus=3)) == [3]


def test_one_that_is_not_started_starts_nothing_and_says_so():
    job = asks(1, workload="", stopped="Workload sweep has not been started.")

    [reason] = reasons_of(world(job, workloads=()), 1)

    assert (reason.code, reason.sentence) == (ReasonCode.WORKLOAD, "Workload sweep has not been started.")
    assert outlook(world(job, workloads=()), 0.0, 1).start.expected is None


@given(
    most=st.integers(1, 4),
    already=st.integers(0, 6),
    workloads=st.lists(st.sampled_from(["", "1", "2"]), min_size=1, max_size=12),
)
def test_never_more_than_so_many_run_and_nobody_of_another_waits_for_it(most, already, workloads):
    held = tuple(runs(100 + number, number) for number in range(already))
    jobs = [asks(number, workload) for number, workload in enumerate(workloads, 1)]
    snap = world(*jobs, running=held, workloads=(WorkloadView("1", "sweep", most),), gpus=32)

    started = set(started_in(snap))

    own = {number for number, workload in enumerate(workloads, 1) if workload == "1"}
    assert len(own & started) == max(0, min(most - already, len(own)))
    assert started - own == set(range(1, len(workloads) + 1)) - own
