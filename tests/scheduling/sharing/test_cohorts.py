"""Borrowing and lending in a cohort: who may hold what beside whom, and who gets back what was lent."""

from dataclasses import replace

import pytest

from scheduling.errors import FieldError
from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.reasons import ReasonCode
from scheduling.resources import Request, Resources
from scheduling.rules import Backfill, Preemption, Rules
from scheduling.sharing.admission import admission_faults
from scheduling.sharing.cohorts import Cohorts, Loans
from scheduling.sharing.quotas import Usage
from scheduling.snapshot import Limits, LoanLimits, ProjectView, RunningJob, Snapshot
from scheduling.stages import started
from tests.scheduling.builders import gpu_node, share, snapshot, waiting

NOW = 10_000.0
NODES = (gpu_node("gpu-1", 8), gpu_node("gpu-2", 8))


def member(slug, gpus, *, borrow=None, lend=None, parent="team"):
    return ProjectView(
        slug, parent, Limits(gpus=gpus, borrowing=LoanLimits(gpus=borrow), lending=LoanLimits(gpus=lend))
    )


TEAM = ProjectView("team")
VISION, SPEECH = member("vision", 8), member("speech", 8, borrow=4)


def runs(job_id, gpus, project, *, node="gpu-1", first=0, preemptible=True, priority=50, since=NOW - 5, **more):
    held = share(node, cpus=1, gpu_indices=tuple(range(first, first + gpus)))
    job = RunningJob(job_id, project, "default", priority, (held,), preemptible=preemptible, started_at=since)
    return replace(job, request=Request(gpus=gpus), **more)


def job(job_id, gpus, project, **more):
    return waiting(job_id, project=project, request=Request(gpus=gpus), max_runtime_seconds=600, **more)


def world(*jobs, running=(), projects=(TEAM, VISION, SPEECH), nodes=NODES, **rules) -> Snapshot:
    seen = snapshot(*jobs, running=tuple(running), nodes=nodes, projects=projects)
    return replace(seen, rules=Rules(policy="fifo", **rules))


def starts(seen):
    return [one.job_id for one in make_plan(seen, NOW).placements]


def stops(seen):
    return [(one.job_id, one.for_job, one.strategy) for one in make_plan(seen, NOW).preemptions]


def reasons(seen, job_id):
    return next(one.reasons for one in make_plan(seen, NOW).waits if one.job_id == job_id)


def test_a_project_without_a_borrowing_limit_has_its_quota_and_no_more():
    jobs = [job(number, 2, "vision") for number in range(1, 6)]

    assert starts(world(*jobs)) == [1, 2, 3, 4]


def test_a_project_holds_its_nominal_quota_and_what_it_may_borrow():
    jobs = [job(number, 2, "speech") for number in range(1, 9)]

    assert starts(world(*jobs)) == [1, 2, 3, 4, 5, 6]


def test_nobody_borrows_what_the_others_use():
    used = [runs(900, 8, "vision")]

    assert starts(world(*(job(number, 2, "speech") for number in range(1, 7)), running=used)) == [1, 2, 3, 4]


def test_a_parent_s_own_limit_is_what_the_cohort_has():
    tree = (ProjectView("team", None, Limits(gpus=10)), VISION, SPEECH)

    assert starts(world(*(job(number, 2, "speech") for number in range(1, 9)), projects=tree)) == [1, 2, 3, 4, 5]


def test_what_is_not_lent_stays_free_for_its_owner():
    tree = (TEAM, member("vision", 8, lend=2), SPEECH)
    jobs = [job(number, 2, "speech") for number in range(1, 9)]
    own = [job(number, 2, "vision") for number in range(11, 15)]

    assert starts(world(*jobs, projects=tree)) == [1, 2, 3, 4, 5]
    # Who comes later and needs no loan goes before who would borrow.
    assert starts(world(*jobs, *own, projects=tree)) == [1, 2, 3, 4, 11, 12, 13, 14]


def test_nobody_keeps_more_to_himself_than_what_is_above_him_has():
    """The three GPUs that e keeps are not there: others has one, and the cohort two."""
    tree = (
        ProjectView("org"),
        member("team", 1, parent="org"),
        member("others", 1, borrow=8, lend=0, parent="org"),
        member("e", 3, lend=0, parent="others"),
    )

    assert starts(world(job(1, 3, "e"), projects=tree)) == []
    assert starts(world(job(1, 2, "e"), projects=tree)) == [1]


def test_without_a_lending_limit_all_that_is_unused_is_lent():
    tree = (TEAM, VISION, member("speech", 8, borrow=100))

    assert starts(world(*(job(number, 2, "speech") for number in range(1, 9)), projects=tree)) == list(range(1, 9))


def test_borrowing_goes_through_every_level_of_the_tree():
    """The team borrows from the other one for the project that has borrowed all there is inside its team."""
    tree = (
        ProjectView("org"),
        member("team", 8, borrow=4, parent="org"),
        member("others", 8, parent="org"),
        member("vision", 4, borrow=100),
        member("speech", 4),
    )
    jobs = [job(number, 2, "vision") for number in range(1, 9)]

    assert starts(world(*jobs, projects=tree)) == [1, 2, 3, 4, 5, 6]
    assert starts(world(*jobs, projects=tree, running=[runs(900, 6, "others")])) == [1, 2, 3, 4, 5]


def test_at_the_top_of_the_tree_there_is_nobody_to_borrow_from():
    tree = (member("vision", 4, borrow=4, parent=None), member("speech", 8, parent=None))

    assert starts(world(*(job(number, 2, "vision") for number in range(1, 4)), projects=tree)) == [1, 2]


def test_a_quota_that_is_not_enforced_lends_and_borrows_nothing():
    watched = replace(VISION, limits=replace(VISION.limits, enforced=False))

    assert starts(world(*(job(number, 2, "speech") for number in range(1, 7)), projects=(TEAM, watched, SPEECH))) == [
        1, 2, 3, 4,
    ]  # fmt: skip


def test_a_job_that_is_not_preemptible_starts_on_nominal_quota_only():
    firm = [job(number, 2, "speech", preemptible=False) for number in range(1, 7)]
    seen = world(*firm)

    assert starts(seen) == [1, 2, 3, 4]
    [reason] = reasons(seen, 5)
    assert reason.sentence == (
        "The quota of project speech allows 8 GPUs (8 in use); this job needs 2 GPUs, and borrows nothing, as it is not preemptible."
    )


def test_a_request_that_only_borrowed_quota_could_hold_is_refused_of_a_job_that_is_not_preemptible():
    chain, request = (SPEECH, TEAM), Request(gpus=10)

    assert admission_faults(request, nodes=(), chain=chain) == ()
    [fault] = admission_faults(request, nodes=(), chain=chain, firm=True)
    assert fault == FieldError(
        "resources.gpus",
        "The quota of project speech allows at most 8 GPUs at once for a job that is not preemptible; this job needs 10 GPUs.",
        "quota",
    )


LENT = [
    runs(901, 4, "speech", first=0),
    runs(902, 4, "speech", first=4),
    runs(903, 4, "speech", node="gpu-2"),
    runs(904, 2, "vision", node="gpu-2", first=4),
]
"""speech holds 12 of its 8, vision 2 of its 8."""


def test_nominal_quota_that_was_lent_is_taken_back_at_any_priority():
    assert stops(world(job(1, 4, "vision", priority=0), running=LENT)) == [(901, 1, "quota")]


def test_nobody_is_stopped_for_what_is_left():
    assert starts(world(job(1, 2, "vision"), running=LENT)) == [1]


def test_the_limits_on_preemption_do_not_count_for_what_is_taken_back():
    tired = [replace(one, preemptions=99, started_at=NOW - 1, checkpointable=False) for one in LENT]
    strict = Preemption(max_per_hour=0, min_runtime_seconds=600)

    assert stops(world(job(1, 4, "vision", priority=0), running=tired, preemption=strict)) == [(901, 1, "quota")]


def test_who_would_have_to_borrow_takes_nothing_back():
    held = [*LENT[:3], runs(904, 4, "vision", node="gpu-2", first=4)]
    tree = (TEAM, replace(VISION, limits=replace(VISION.limits, gpus=4, borrowing=LoanLimits(gpus=8))), SPEECH)

    assert stops(world(job(1, 2, "vision", priority=100), running=held, projects=tree)) == []


def test_a_project_gives_back_no_more_than_it_has_borrowed():
    """Eight single GPUs of speech, of which two are borrowed: for a job of two they go, one of four would take nominal ones."""
    tree = (TEAM, member("vision", 12), member("speech", 6, borrow=10))
    singles = [runs(900 + number, 1, "speech", first=number) for number in range(8)]
    held = [*singles, runs(950, 8, "vision", node="gpu-2")]

    assert stops(world(job(1, 2, "vision"), running=held, projects=tree)) == [(900, 1, "quota"), (901, 1, "quota")]
    assert stops(world(job(1, 4, "vision"), running=held, projects=tree)) == []


def test_all_that_is_borrowed_goes_if_it_takes_all():
    held = [
        *(runs(900 + number, 2, "speech", first=2 * number) for number in range(4)),
        *(runs(910 + number, 1, "speech", node="gpu-2", first=number) for number in range(4)),
        runs(904, 2, "vision", node="gpu-2", first=4),
    ]

    assert [one for one, *_ in stops(world(job(1, 6, "vision"), running=held))] == [910, 911, 912, 913]


def test_the_project_most_above_its_own_gives_first():
    tree = (TEAM, VISION, member("speech", 2, borrow=4), member("sound", 2, borrow=8))
    held = [
        *(runs(901 + number, 1, "speech", first=number) for number in range(4)),
        *(runs(911 + number, 1, "sound", node="gpu-2", first=number) for number in range(8)),
    ]
    stopped = stops(world(job(1, 8, "vision"), running=held, projects=tree, nodes=(*NODES, gpu_node("gpu-3"))))

    assert sum(one >= 911 for one, *_ in stopped) == 6
    assert sum(one < 911 for one, *_ in stopped) == 2


def test_inside_a_project_that_gives_back_those_go_first_who_are_above_their_own_there():
    tree = (
        ProjectView("org"),
        member("vision", 8, parent="org"),
        member("team", 8, borrow=8, parent="org"),
        member("a", 2, borrow=8),
        member("b", 6),
    )
    held = [
        *(runs(901 + number, 1, "a", first=number, priority=90) for number in range(8)),
        *(runs(911 + number, 1, "b", node="gpu-2", first=number, priority=10) for number in range(6)),
    ]

    assert all(
        one < 911
        for one, *_ in stops(world(job(1, 8, "vision"), running=held, projects=tree, nodes=(*NODES, gpu_node("gpu-3"))))
    )


def test_quota_comes_back_where_the_nodes_are_full_of_what_is_borrowed():
    """The cohort has more quota than there are GPUs: what vision lacks is room, and speech holds more than its own."""
    tree = (TEAM, member("vision", 12), member("speech", 4, borrow=12))
    held = [runs(901, 8, "speech"), runs(902, 8, "speech", node="gpu-2")]

    assert stops(world(job(1, 4, "vision", priority=0), running=held, projects=tree)) == [(901, 1, "quota")]


def test_while_what_was_lent_comes_back_nobody_else_is_stopped_nor_starts_in_it():
    told = [replace(LENT[0], leaving=True, leaving_for=1), *LENT[1:]]
    first = job(1, 4, "vision", promised=True, room=LENT[0].shares)
    seen = world(first, job(2, 4, "speech", submitted_at=0.0), running=told)
    gone = world(first, job(2, 4, "speech", submitted_at=0.0), running=told[1:])

    assert (starts(seen), stops(seen)) == ([], [])
    assert (starts(gone), stops(gone)) == ([1], [])


def test_who_is_gone_first_does_not_start_again_while_another_still_has_to_go():
    """Also where room that somebody keeps to himself makes the difference."""
    tree = (
        ProjectView("team", None, Limits(gpus=10)),
        member("vision", 4),
        member("speech", 4, borrow=4),
        member("sound", 2, lend=0),
    )
    held = [runs(900 + number, 2, "speech", first=2 * number) for number in range(4)]
    first = job(1, 4, "vision", submitted_at=5.0)
    again = job(900, 2, "speech", submitted_at=1.0)
    promised = replace(first, promised=True, room=(*held[0].shares, *held[1].shares))
    still_there = [replace(held[1], leaving=True, leaving_for=1), *held[2:]]

    assert stops(world(first, running=held, projects=tree)) == [(900, 1, "quota"), (901, 1, "quota")]
    assert starts(world(promised, again, running=still_there, projects=tree)) == []


def test_urgent_work_that_would_borrow_leaves_nominal_quota_alone():
    """It would only be taken back: the two would stop each other by turns."""
    tree = (ProjectView("team", None, Limits(gpus=8)), member("vision", 8), member("speech", 0, borrow=8))
    urgent = job(1, 4, "speech", priority=100)
    by_right = Preemption(("priority", "reclaim"), min_runtime_seconds=0, only_checkpointable=False)

    def stopped(*held):
        return stops(world(urgent, running=held, projects=tree, preemption=by_right))

    assert stopped(runs(901, 4, "vision", priority=10), runs(902, 4, "vision", priority=10, first=4)) == []
    assert stopped(runs(901, 4, "speech", priority=10), runs(902, 4, "vision", priority=10, first=4)) == [
        (901, 1, "priority")
    ]


def test_nothing_is_kept_for_who_would_borrow():
    """Job 1 waits to borrow, job 2 has nominal quota: it need not wait behind."""
    held = [runs(901, 8, "speech"), runs(902, 2, "vision", node="gpu-2")]
    seen = world(
        job(1, 4, "speech"), job(2, 6, "vision"), running=[*held, runs(903, 2, "speech", node="gpu-2", first=2)]
    )

    assert starts(seen) == []
    assert stops(seen) == [(903, 2, "quota")]


@pytest.mark.parametrize("backfill", tuple(Backfill))
def test_the_reason_names_the_level_the_numbers_and_who_has_borrowed(backfill):
    held = [*LENT, runs(905, 2, "vision", node="gpu-2", first=6)]
    told = [replace(one, leaving=True) for one in held[:1]]
    [reason] = reasons(world(job(1, 8, "vision"), running=held, backfill=backfill), 1)[:1]

    assert told
    assert reason.code is ReasonCode.QUOTA
    assert reason.sentence == "The quota of project vision allows 8 GPUs (4 in use); this job needs 8 GPUs."
    [reason, *_] = reasons(world(job(1, 4, "vision"), running=held, backfill=backfill), 1)
    assert reason.sentence == (
        "The projects below team have 16 GPUs together (16 taken or kept, 4 of them borrowed by speech); this job needs 4 GPUs. "
        "It is within the quota of project vision: in its turn there it gets back what others have borrowed."
    )
    assert reason.subject == "team"
    assert reason.shortfall == {"gpus": 4}
    assert set(reason.held_by) == {901, 902, 903, 904, 905}


def test_the_changes_that_would_start_it_are_offered():
    tree = (TEAM, VISION, member("speech", 8))
    seen = world(job(1, 4, "speech"), running=[runs(901, 8, "speech")], projects=(*tree, member("sound", 0, borrow=1)))
    offers = {one.field: one for one in outlook(seen, NOW, 1).changes}

    assert (
        offers["quota"].sentence == "If the quota of project speech allowed 12 GPUs instead of 8, it would start now."
    )
    assert (
        offers["borrowing_limits"].sentence == "If project speech might borrow 4 GPUs instead of 0, it would start now."
    )
    assert offers["borrowing_limits"].after == {"speech": {"gpus": 4}}


def test_to_become_preemptible_is_offered_to_who_could_borrow_then():
    seen = world(job(1, 2, "speech", preemptible=False), running=[runs(901, 8, "speech")])

    assert "preemptible" in {one.field for one in outlook(seen, NOW, 1).changes}


def test_an_outlook_says_who_stops_for_it_and_when_it_starts():
    answer = outlook(world(job(1, 4, "vision"), running=LENT), NOW, 1)

    assert [one.job_id for one in answer.preemptions] == [901]
    assert answer.start.expected - NOW < 10


def test_a_limit_that_was_lowered_below_what_is_held_takes_nothing_from_the_others():
    tree = (TEAM, VISION, member("speech", 4))
    held = [runs(901, 8, "speech")]
    shared = (*tree, member("sound", 0, borrow=1))

    assert starts(world(job(1, 1, "speech"), job(2, 8, "vision"), running=held, projects=shared)) == [2]


USAGE = {
    "vision": Usage(Resources(gpus=2), 1),
    "speech": Usage(Resources(gpus=12), 3),
    "team": Usage(Resources(gpus=14), 4),
}


def test_what_is_borrowed_and_lent_is_told():
    cohorts = Cohorts.of((TEAM, VISION, SPEECH))

    assert cohorts.loans("speech", "gpus", USAGE) == Loans(borrowed=4, lent=0)
    assert cohorts.loans("vision", "gpus", USAGE) == Loans(borrowed=0, lent=4)
    assert (cohorts.headroom("vision", "gpus", USAGE), cohorts.headroom("team", "gpus", USAGE)) == (2, None)


def test_where_nobody_borrows_or_keeps_anything_there_are_no_cohorts():
    assert Cohorts.of((TEAM, VISION, member("speech", 4))) is None


def test_a_tree_in_a_circle_is_read_to_its_end():
    ring = (member("a", 4, borrow=2, parent="b"), member("b", 4, parent="a"))

    assert starts(world(job(1, 2, "a"), projects=ring)) == [1]


def test_the_same_job_is_not_stopped_by_turns():
    """Played for some rounds: whoever was stopped for nominal quota does not take it again."""
    seen, stopped = world(job(1, 4, "vision"), job(2, 4, "speech"), running=LENT), []
    for _ in range(6):
        plan = make_plan(seen, NOW)
        stopped += [one.job_id for one in plan.preemptions]
        seen = _next(seen, plan)

    assert stopped == [901]


def _next(seen, plan):
    jobs = {one.id: one for one in seen.waiting}
    new = [started(jobs.pop(one.job_id), one.shares, NOW) for one in plan.placements]
    gone = {one.job_id: one.for_job for one in plan.preemptions}
    back = [waiting(one.id, project=one.project, request=one.request) for one in seen.running if one.id in gone]
    line = [replace(one, promised=True) if one.id in gone.values() else one for one in jobs.values()]
    left = [one for one in seen.running if one.id not in gone]
    return replace(seen, waiting=(*line, *back), running=(*left, *new))
