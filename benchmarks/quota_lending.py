"""`python -m benchmarks.quota_lending`: random load on cohorts that lend each other quota, for 72 simulated hours.

Every plan is held to the limits of each project and each cohort, and to what borrowers owe: nobody waits for nominal quota
longer than a cycle and the grace of those who go, no two jobs stop each other twice. 1 if anything is found.
Prints how long jobs waited for what others had borrowed, how much was lent, and how many were stopped.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

from fuzz.cohorts import Lent
from fuzz.findings import Finding, expect
from fuzz.play import CYCLE, carry_out
from fuzz.safety import check_plan
from fuzz.scenario import BEGIN, Arrival, Scenario
from fuzz.state import State
from scheduling.plan_result import Plan
from scheduling.planning.plan import make_plan
from scheduling.planning.stops import borrowers
from scheduling.resources import Request
from scheduling.rules import HOUR, Rules
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.quotas import usage_by_project
from scheduling.snapshot import Gpu, Limits, LoanLimits, NodeView, ProjectView, QueueView, Snapshot, WaitingJob

LONGEST = 4 * HOUR
GRACE = 60.0
BUSY = 0.35
"""So many of the projects submit jobs at a time."""


def projects(cohorts: int, dice: Random) -> Iterator[ProjectView]:
    """Each cohort has a parent, with a limit of its own or without, and three to five projects, some with teams."""
    yield ProjectView("org")
    for number in range(cohorts):
        parent = f"c{number}"
        own = dice.choice((None, Limits(gpus=dice.randint(12, 24), borrowing=LoanLimits(gpus=dice.choice((None, 8))))))
        yield ProjectView(parent, "org", own)
        for member in range(dice.randint(3, 5)):
            limits = Limits(
                gpus=dice.randint(2, 8),
                borrowing=LoanLimits(gpus=dice.choice((None, 2, 8, 16))),
                lending=LoanLimits(gpus=dice.choice((None, None, 0, 2))),
            )
            yield ProjectView(f"{parent}-p{member}", parent, limits)


def arrivals(tree: list[ProjectView], hours: float, per_hour: float, dice: Random) -> Iterator[Arrival]:
    """Projects are busy by turns, so that there is something to lend, and somebody who wants it back."""
    members = [one for one in tree if one.limits is not None and one.parent != "org"]
    for job_id in range(1, int(hours * per_hour) + 1):
        moment = BEGIN + dice.uniform(0, hours) * HOUR
        hour = int((moment - BEGIN) / (2 * HOUR))
        turns = Random(hour)  # noqa: S311 - no secret: the same seed has to give the same world
        busy = [one for one in members if turns.random() < BUSY] or members
        project = dice.choice(busy)
        nominal = 1 if project.limits is None else project.limits.gpus or 1
        seconds = min(LONGEST, dice.expovariate(1 / HOUR) + 60)
        job = WaitingJob(
            job_id, project.slug, "default", dice.choice((10, 50, 50, 90)), moment,
            Request(gpus=dice.randint(1, min(4, nominal))), owner="ann", max_runtime_seconds=int(LONGEST),
            checkpointable=dice.random() < 0.7, preemptible=dice.random() < 0.85,
        )  # fmt: skip
        yield Arrival(job, seconds, dice.uniform(0, GRACE))


class Waits:
    """How long jobs waited for nominal quota that others had borrowed: from the plan that took it back to their start."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.number = 0
        self._since: dict[int, float] = {}

    def look(self, now: float, plan: Plan) -> None:
        """Raises a finding for whoever waits longer than those who go may take, and the planner's next cycle."""
        for one in plan.preemptions:
            if one.strategy == borrowers.STRATEGY:
                self._since.setdefault(one.for_job, now)
        for job_id, since in self._since.items():
            self.longest = max(self.longest, now - since)
            expect(now - since <= GRACE + CYCLE, "given back", f"job {job_id} waits for what goes since {since}")
        for placed in plan.placements:
            self.number += self._since.pop(placed.job_id, None) is not None


def play(scenario: Scenario) -> Mapping[str, int]:
    state, lent, waits, counted = State(scenario, BEGIN), Lent(), Waits(), Counter[str]()
    for one in scenario.arrivals:
        state.at(one.job.submitted_at, lambda one=one: state.submit(one))  # type: ignore[misc]  # bound now, not at the end
    cohorts = Cohorts.of(scenario.empty.projects)
    tree = {one.slug: one for one in scenario.empty.projects}
    next_cycle = BEGIN
    while state.advance(scenario.end):
        world = state.snapshot()
        plan = make_plan(world, state.now)
        check_plan(world, state.now, plan)
        lent.look(state, world, plan)
        waits.look(state.now, plan)
        carry_out(state, plan)
        counted.update(plans=1, starts=len(plan.placements), stops=len(plan.preemptions))
        if cohorts is not None:
            usage = usage_by_project((one.job for one in state.running.values()), tree)
            borrowed = sum(max(0, cohorts.over(slug, "gpus", usage)) for slug in tree)
            counted["most borrowed"] = max(counted["most borrowed"], borrowed)
        if (plan.placements or plan.preemptions) and next_cycle <= state.now:
            next_cycle = state.now + CYCLE
            state.at(next_cycle, lambda: None)
    longest = {"until it is taken back": lent.longest, "from then on": waits.longest}
    seconds = {f"longest wait {name}, s": round(wait) for name, wait in longest.items()}
    return {**counted, "given back to": waits.number, **seconds}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota_lending", description=__doc__)
    parser.add_argument("--hours", type=float, default=72.0, help="simulated hours (72)")
    parser.add_argument("--cohorts", type=int, default=20, help="cohorts of three to five projects (20)")
    parser.add_argument("--per-hour", type=float, default=60.0, help="jobs an hour (60)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another world (1)")
    options = parser.parse_args()
    dice = Random(options.seed)  # noqa: S311 - as above
    tree = list(projects(options.cohorts, dice))
    nodes = tuple(
        NodeView(f"n{number}", 64, 512 * 1024, tuple(map(Gpu, range(8)))) for number in range(4 * options.cohorts)
    )
    empty = Snapshot(nodes=nodes, queues=(QueueView("default"),), projects=tuple(tree), rules=Rules(explain=True))
    jobs = tuple(arrivals(tree, options.hours, options.per_hour, dice))
    began = time.monotonic()
    try:
        counted = play(Scenario(options.seed, empty, jobs, (), options.hours / 24))
    except Finding as found:
        print(f"{found} (seed {options.seed})")
        return 1
    figures = ", ".join(f"{name} {number}" for name, number in counted.items())
    print(
        f"{options.hours:g} simulated hours, {options.cohorts} cohorts, {len(jobs)} jobs in {time.monotonic() - began:.0f} s: {figures}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
