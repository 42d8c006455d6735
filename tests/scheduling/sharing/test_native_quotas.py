"""What another system allows a project: it counts beside the tree's quotas, with what others hold there."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.forecast.outlook import outlook
from scheduling.native_quotas import NativeAmounts, NativeQuota
from scheduling.planning.plan import make_plan
from scheduling.reasons import ReasonCode
from scheduling.resources import Request
from scheduling.sharing.associations import by_provider
from scheduling.snapshot import Limits, ProjectView
from tests.scheduling.builders import gpu_node, running, share, snapshot, waiting

HOLDER = "QOS ty-team of Slurm"


def world(*jobs, running=(), most=4, others=0, limits=None, gpus=16):
    native = NativeQuota(HOLDER, NativeAmounts(gpus=most), NativeAmounts(gpus=others))
    made = snapshot(*jobs, nodes=(gpu_node(number=gpus),), running=running)
    view = replace(next(one for one in made.projects if one.slug == jobs[0].project), limits=limits, native=native)
    return replace(made, projects=(view, *(one for one in made.projects if one.slug != view.slug)))


def asks(job_id, gpus=1, **more):
    return waiting(job_id, request=Request(gpus=gpus), max_runtime_seconds=50, **more)


def runs(job_id, *indices, until=100.0):
    return replace(running(job_id, share(gpu_indices=indices)), started_at=0.0, expected_end=until)


def started_in(snap):
    return [one.job_id for one in make_plan(snap, 0.0).placements]


def test_what_others_hold_there_is_not_given_to_ours():
    jobs = [asks(number) for number in (1, 2, 3, 4)]

    assert started_in(world(*jobs, most=4, others=1)) == [1, 2, 3]
    assert started_in(world(*jobs, most=4)) == [1, 2, 3, 4]


def test_who_waits_is_told_whose_quota_it_is_what_others_hold_and_who_of_ours():
    held = (runs(8, 0, 1, until=60), runs(9, 2, until=90))

    [reason] = outlook(world(asks(1), running=held, others=1), 0.0, 1).reasons

    assert reason.code is ReasonCode.QUOTA
    assert reason.sentence == (
        "QOS ty-team of Slurm, of which others there hold 1 GPU, allows 4 GPUs (4 in use); this job needs 1 GPU."
    )
    assert (reason.shortfall, set(reason.held_by), reason.expected_clear) == ({"gpus": 1}, {8, 9}, 60.0)


def test_what_only_others_hold_is_no_reason_to_give_up():
    """They may be gone in a minute: nobody is told that it can never start."""
    [reason] = outlook(world(asks(1, gpus=4), others=1), 0.0, 1).reasons

    assert "never" not in reason.sentence
    assert reason.expected_clear is None


def test_a_request_above_the_limit_itself_is_told_that_it_never_starts():
    [reason] = outlook(world(asks(1, gpus=5)), 0.0, 1).reasons

    assert "have QOS ty-team of Slurm raised by 1 GPU" in reason.sentence


@given(
    st.lists(st.integers(1, 4), max_size=6),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 3),
    st.none() | st.integers(0, 8),
)
def test_with_what_others_hold_it_is_never_gone_beyond_and_everybody_else_is_told(sizes, most, others, runs_now, own):
    held = tuple(runs(100 + index, index) for index in range(runs_now))
    limits = None if own is None else Limits(gpus=own)
    jobs = [asks(number + 1, gpus=size) for number, size in enumerate(sizes)]
    if not jobs:
        return
    plan = make_plan(world(*jobs, running=held, most=most, others=others, limits=limits), 0.0)

    started = {one.job_id for one in plan.placements}
    taken = sum(size for number, size in enumerate(sizes) if number + 1 in started)
    assert not started or taken + runs_now + others <= most
    assert {wait.job_id for wait in plan.waits if wait.reasons} == {job.id for job in jobs} - started
    if most - others - runs_now >= sizes[0] and (own is None or own - runs_now >= sizes[0]):
        assert 1 in started


def test_it_stands_beside_the_quota_of_the_tree():
    assert started_in(world(*(asks(number) for number in (1, 2, 3)), limits=Limits(gpus=2))) == [1, 2]
    assert started_in(world(*(asks(number) for number in (1, 2, 3)), limits=Limits(gpus=9), most=1)) == [1]


def test_jobs_of_other_projects_do_not_count_there():
    made = snapshot(asks(1), asks(2, project="other"), nodes=(gpu_node(number=4),))
    native = NativeQuota(HOLDER, NativeAmounts(gpus=0))
    mine = made.waiting[0].project
    views = (ProjectView(mine, native=native), ProjectView("other"))

    assert started_in(replace(made, projects=views)) == [2]


def test_nothing_starts_while_nobody_knows_the_quota_and_the_reason_has_a_code_of_its_own():
    sentence = "What k8s allows project team has not been read yet."
    job = asks(1, stopped=sentence, stopped_by=ReasonCode.QUOTA_PROVIDER_AWAY)

    [wait] = make_plan(world(job), 0.0).waits

    assert [(one.code, one.sentence) for one in wait.reasons] == [("quota_provider_away", sentence)]


def test_a_start_is_foretold_for_when_one_of_its_own_ends_not_one_of_another_project():
    theirs = replace(runs(8, 0, until=60), project="other")
    snap = world(asks(1), running=(theirs, runs(9, 1, until=90)), most=1)
    snap = replace(snap, projects=(*snap.projects[:1], ProjectView("other")))

    assert outlook(snap, 0.0, 1).start.expected == 90.0
    cap = by_provider(snap.projects[0].slug, NativeQuota(HOLDER, NativeAmounts(gpus=1)))
    assert [cap.covers(job, {}) for job in snap.running] == [False, True]
