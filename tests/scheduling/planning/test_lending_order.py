"""In which order quota is lent: those whose own it is come first, so that nobody is started only to be stopped at once."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scheduling.planning.plan import make_plan
from scheduling.planning.stops.borrowers import STRATEGY
from scheduling.reasons import ReasonCode
from scheduling.resources import Request
from scheduling.snapshot import Limits, LoanLimits, ProjectView
from scheduling.stages import started
from tests.scheduling.builders import cpu_node, running, share, snapshot, waiting

NOW = 1_000.0
ONE_NODE = (cpu_node("a", cpus=16),)
ALL = LoanLimits(gpus=99, cpus=99)


def team(slug, cpus, *, lends=None):
    return ProjectView(slug, "lab", Limits(cpus=cpus, borrowing=ALL, lending=LoanLimits(cpus=lends)))


TEAMS = (ProjectView("lab", None, Limits(cpus=8)), team("red", 4), team("blue", 2), team("green", 2))


def job(number, project, cpus, **more):
    return waiting(number, project=project, request=Request(cpus=cpus), submitted_at=float(number), **more)


def runs(number, project, cpus, node="a"):
    return replace(running(number, share(node, cpus=cpus), project=project), request=Request(cpus=cpus), started_at=1.0)


def world(*jobs, held=(), nodes=ONE_NODE):
    return snapshot(*jobs, running=held, nodes=nodes, projects=TEAMS)


def placed(plan):
    return {one.job_id for one in plan.placements}


def test_who_would_borrow_comes_after_those_whose_own_it_is():
    """Blue was there first, and all that is free is red's own."""
    seen = world(job(1, "blue", 4), job(2, "red", 4), held=(runs(9, "blue", 2), runs(8, "green", 2)))
    assert placed(make_plan(seen, NOW)) == {2}


def test_nobody_borrows_while_nominal_quota_is_being_given_back():
    """Red gets four back; the one that is free until then would be taken back from blue in a moment."""
    seen = world(job(1, "blue", 1), job(2, "red", 4), held=(runs(9, "blue", 5), runs(8, "green", 2)))
    plan = make_plan(seen, NOW)
    assert (placed(plan), [one.job_id for one in plan.preemptions]) == (set(), [9])
    (reason,) = next(one.reasons for one in plan.waits if one.job_id == 1)
    assert (reason.code, reason.held_by) == (ReasonCode.AHEAD, (2,))
    assert reason.sentence == "It would borrow quota that is being given back to job 2, which goes first."


def test_a_borrower_that_has_waited_too_long_is_not_passed_by_jobs_of_its_own_project():
    """A wide one of blue's, and a small one that needs no loan; with both of them blue would hold too much."""
    few = (*TEAMS[:2], ProjectView("blue", "lab", Limits(cpus=2, borrowing=LoanLimits(cpus=2))), TEAMS[3])
    seen = replace(world(job(1, "blue", 4), job(2, "blue", 1), job(3, "red", 1)), projects=few)
    assert placed(make_plan(seen, NOW)) == {2, 3}
    patient = replace(seen, rules=replace(seen.rules, bounded_wait_seconds=500))
    assert placed(make_plan(patient, NOW)) == {1, 3}


SIZES = st.tuples(st.sampled_from(["red", "blue", "green"]), st.integers(1, 4))
HELD = st.lists(st.tuples(SIZES, st.sampled_from("ab")), max_size=6)


STARTED_NOW = [(("green", 2), False), (("blue", 2), False), (("green", 1), False)]
TWO_STARTED_NOW = [(("green", 1), False), (("green", 1), False), (("green", 2), True), (("red", 4), False)]


@settings(max_examples=300)
@example([(("red", 1), "a"), (("red", 3), "b")], STARTED_NOW, 4)
@example([(("blue", 3), "b")], TWO_STARTED_NOW, 4)
@given(HELD, st.lists(st.tuples(SIZES, st.booleans()), max_size=8), st.sampled_from([4, 6, 12]))
def test_what_a_plan_starts_is_not_stopped_for_those_that_waited_then(held, line, cpus):
    """Asked again a second later, when nothing has changed but that."""
    nodes = (cpu_node("a", cpus=cpus), cpu_node("b", cpus=cpus))
    jobs = tuple(
        job(number, slug, size, max_runtime_seconds=600 if short else None)
        for number, ((slug, size), short) in enumerate(line, 1)
    )
    seen = world(*jobs, held=_that_fit(held, cpus), nodes=nodes)
    first = make_plan(seen, NOW)
    known = {one.id: one for one in jobs}
    begun = [started(known[one.job_id], one.shares, NOW) for one in first.placements]
    stopped = {one.job_id: one.for_job for one in first.preemptions}
    left = [
        replace(one, leaving=True, leaving_for=stopped[one.id]) if one.id in stopped else one for one in seen.running
    ]
    rest = [replace(one, promised=one.id in stopped.values()) for one in jobs if one.id not in placed(first)]
    again = make_plan(replace(seen, waiting=tuple(rest), running=(*left, *begun)), NOW + 1)
    taken_back = {one.job_id for one in again.preemptions if one.strategy == STRATEGY}
    assert not taken_back & placed(first)


def _that_fit(held, cpus):
    """Of these jobs those for which nodes and the lab's quota have room."""
    free, left, found = dict.fromkeys("ab", cpus), 8, []
    for number, ((slug, size), node) in enumerate(held, 100):
        if size <= min(free[node], left):
            free[node] -= size
            left -= size
            found.append(runs(number, slug, size, node))
    return tuple(found)
