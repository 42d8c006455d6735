"""Plays a world forward: the planner runs whenever something happens and every few seconds while somebody leaves."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from fuzz import events
from fuzz.cohorts import Lent
from fuzz.findings import Finding, expect
from fuzz.floors import Floors
from fuzz.liveness import Starvation, Stops
from fuzz.promises import check_promises
from fuzz.safety import check_plan
from fuzz.scenario import BEGIN, Scenario
from fuzz.state import State, moments
from scheduling.planning.plan import Plan, make_plan
from scheduling.snapshot import Snapshot

CYCLE = 5.0
BY_THE_CLOCK = 900.0
ASKED_EVERY = 7_200.0


class Play:
    """One scenario from its beginning to its end. Raises the first finding, with its moment."""

    def __init__(self, scenario: Scenario) -> None:
        self.plans = 0
        self._scenario = scenario
        self._state = State(scenario, BEGIN)
        self._dice = Random(f"{scenario.seed} asks")
        self._checks = (Starvation(), Stops(), Floors(scenario), Lent())
        self._next_cycle = 0.0
        self._questions = BEGIN + self._dice.uniform(0, ASKED_EVERY)
        self._prepare()

    def _prepare(self) -> None:
        state = self._state
        for one in self._scenario.arrivals:
            state.at(one.job.submitted_at, _call(state.submit, one))
        for event in self._scenario.events:
            state.at(event.moment, _call(events.happen, state, event))
        for moment in moments(state.cluster, (one.job for one in self._scenario.arrivals)):
            state.at(moment, _nothing)
        clock = BEGIN
        while (clock := clock + BY_THE_CLOCK) < self._scenario.end:
            state.at(clock, _nothing)

    def run(self) -> "Play":
        try:
            while self._state.advance(self._scenario.end):
                self._cycle()
        except Finding as found:
            found.moment = self._state.now - BEGIN
            raise
        except Exception as error:
            raise Finding("error", f"{type(error).__name__}: {error}", self._state.now - BEGIN) from error
        return self

    def _cycle(self) -> None:
        state = self._state
        world = state.snapshot()
        plan = make_plan(world, state.now)
        self.plans += 1
        check_plan(world, state.now, plan)
        if self.plans % 16 == 0:
            _the_same_again(world, state.now, plan)
        if state.now >= self._questions and world.waiting:
            self._questions = state.now + self._dice.uniform(0, 2 * ASKED_EVERY)
            check_promises(state, world, plan, self._dice)
        for check in self._checks:
            check.look(state, world, plan)
        carry_out(state, plan)
        if plan.next_at is not None:
            state.at(plan.next_at, _nothing)
        comes_soon = plan.placements or plan.preemptions or any(one.job.leaving for one in state.running.values())
        if comes_soon or any(job.promised for job in state.waiting.values()):
            self._again_soon()

    def _again_soon(self) -> None:
        if self._next_cycle <= self._state.now:
            self._next_cycle = self._state.now + CYCLE
            self._state.at(self._next_cycle, _nothing)


def carry_out(state: State, plan: Plan) -> None:
    state.hand_on(plan)
    for placed in plan.placements:
        state.start(placed)
    for one in plan.preemptions:
        state.tell_to_stop(one)


def _the_same_again(world: Snapshot, now: float, plan: Plan) -> None:
    """The order of those that run decides nothing either; but reasons name holders in the order in which they came."""
    mixed = replace(
        world,
        waiting=world.waiting[::-1],
        nodes=world.nodes[::-1],
        projects=world.projects[::-1],
        queues=world.queues[::-1],
    )
    expect(make_plan(world, now) == plan, "determinism", "the same snapshot gives another plan")
    expect(make_plan(mixed, now) == plan, "determinism", "the same snapshot in another order gives another plan")
    other = make_plan(replace(mixed, running=world.running[::-1]), now)
    expect(replace(other, waits=plan.waits) == plan, "determinism", "those that run in another order give another plan")


def _call(function: Callable[..., object], *arguments: object) -> Callable[[], None]:
    def step() -> None:
        function(*arguments)

    return step


def _nothing() -> None:
    """The planner looks, that is all."""
