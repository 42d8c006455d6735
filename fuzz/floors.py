"""Under a floor nobody falls behind the shadow: for longer than others need to stop, that is, while nothing unforeseen happens."""

from fuzz.cohorts import is_shared
from fuzz.findings import expect
from fuzz.scenario import Scenario
from fuzz.state import State
from scheduling.plan_result import Plan
from scheduling.planning.floor.follow import keeps_floor
from scheduling.snapshot import Snapshot

UNFORESEEN = frozenset({"suspend", "drain", "take_down", "set_quota", "pause_queue"})
"""In worlds in which this happens a job may be late for no fault of the plan's."""


class Floors:
    """Watches by how much each job is late. With slack nothing can be said: the shadow itself is behind then."""

    def __init__(self, scenario: Scenario) -> None:
        empty = scenario.empty
        steady = not empty.reservations and not any(event.kind in UNFORESEEN for event in scenario.events)
        alone = not empty.rules.preemption.strategies and not empty.rules.floor_slack
        self._looks = keeps_floor(empty) and steady and alone and not is_shared(empty)

    def look(self, state: State, world: Snapshot, plan: Plan) -> None:
        if not self._looks or plan.shadow is None:
            return
        tolerated = world.rules.floor_tolerance_seconds
        for job_id, one in plan.shadow.jobs.items():
            late = one.late_seconds <= tolerated or state.touched.get(job_id)
            expect(late, "floor", f"job {job_id} is {one.late_seconds:.1f} s behind its shadow")
