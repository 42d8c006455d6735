"""Worlds that are played forward, and what the checks say when the core does not keep its word."""

from dataclasses import replace

import pytest

from fuzz import play, shrinking
from fuzz.findings import CHECKED, Finding
from fuzz.liveness import Starvation, Stops
from fuzz.play import Play
from fuzz.scenario import BEGIN
from fuzz.state import State
from fuzz.worlds import draw
from scheduling.plan_result import PlannedPreemption
from scheduling.planning.plan import make_plan

SEEDS = (2, 11, 1003, 1018, 1103)
SMALL = 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_goes_by_without_a_finding(seed):
    Play(draw(seed).with_jobs(range(1, 61))).run()


def test_a_seed_gives_the_same_world_and_the_same_plans():
    first, again = (Play(draw(SMALL).with_jobs(range(20))).run().plans for _ in range(2))

    assert draw(SMALL) == draw(SMALL)
    assert first == again > 0


def broken(change):
    """The planner with a fault."""

    def plan(world, now):
        return change(world, make_plan(world, now))

    return plan


def finding(monkeypatch, change, seed=SMALL):
    monkeypatch.setattr(play, "make_plan", broken(change))
    return shrinking.found_in(draw(seed).with_jobs(range(1, 31)))


def test_who_stands_on_a_full_node_is_found(monkeypatch):
    def twice(_, plan):
        shares = plan.placements[0].shares if plan.placements else ()
        return replace(plan, placements=tuple(replace(one, shares=shares) for one in plan.placements))

    found = [finding(monkeypatch, twice, seed) for seed in range(4)]

    assert {one.check for one in found if one} & {"capacity", "gangs", "amounts", "models", "nodes"}


def test_a_job_without_a_reason_is_found(monkeypatch):
    silent = finding(
        monkeypatch, lambda _, plan: replace(plan, waits=tuple(one._replace(reasons=()) for one in plan.waits))
    )

    assert silent.check == "reasons"
    assert silent.moment > 0


def test_an_idle_cluster_is_found():
    scenario = draw(SMALL)
    state = State(scenario, BEGIN)
    state.cluster = replace(state.cluster, reservations=())
    first = scenario.arrivals[0]
    state.submit(replace(first, job=replace(first.job, held="", not_before=None), needs=()))
    plan = make_plan(state.snapshot(), BEGIN)

    assert plan.placements
    with pytest.raises(Finding, match="idle"):
        Starvation().look(state, state.snapshot(), replace(plan, placements=()))


def test_who_is_stopped_for_a_job_that_does_not_start_is_found():
    scenario = draw(SMALL).with_jobs({1, 2})
    state, stops = State(scenario, BEGIN), Stops()
    for one in scenario.arrivals:
        state.submit(replace(one, job=replace(one.job, held="", not_before=None), needs=()))
    plan = make_plan(state.snapshot(), BEGIN)
    state.start(plan.placements[0])
    victim, winner = plan.placements[0].job_id, next(one for one in (1, 2) if one != plan.placements[0].job_id)
    state.waiting.setdefault(winner, scenario.arrivals[winner - 1].job)
    told = replace(plan, placements=(), preemptions=(PlannedPreemption(victim, winner, "priority", 0.0),))
    stops.look(state, state.snapshot(), told)
    state.over(victim, completed=True)
    silent = replace(plan, placements=())
    stops.look(state, state.snapshot(), silent)
    state.now += 60

    with pytest.raises(Finding, match="in vain"):
        stops.look(state, state.snapshot(), silent)


def test_a_finding_is_shrunk_to_the_jobs_that_it_takes(monkeypatch):
    monkeypatch.setattr(
        play, "make_plan", broken(lambda _, plan: replace(plan, line=(), waits=()) if len(plan.waits) > 1 else plan)
    )
    scenario = draw(SMALL).with_jobs(range(1, 31))

    found = shrinking.found_in(scenario)
    assert found is not None
    smaller, again = shrinking.shrunk(scenario, found)

    assert again.check == "answers"
    assert len(smaller.arrivals) < len(scenario.arrivals)


def test_the_checks_look():
    CHECKED.clear()
    for seed in SEEDS[:3]:
        Play(draw(seed).with_jobs(range(1, 41))).run()

    assert {"capacity", "quotas", "explain", "quote", "reasons", "determinism"} <= CHECKED.keys()
