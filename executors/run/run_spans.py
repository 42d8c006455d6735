"""What an agent does with a placement, as spans of its job's trace; and where the command's own belong."""

import time

from jobs.attempts.claims import PlacementSpec
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from telemetry import subject, traces


def plan_of(claimed: PlacementSpec) -> str:
    return traces.step(claimed.origin.traceparent, claimed.token, traces.PLAN)


def run_of(claimed: PlacementSpec) -> str:
    """The same for every agent that looks after the run, so that its command's spans are below it whoever tells of it."""
    return traces.step(plan_of(claimed), claimed.token, traces.RUN, claimed.rank)


def claimed_since(claimed: PlacementSpec, began: float) -> None:
    plan = plan_of(claimed)
    traces.told(
        "claim", traces.step(plan, claimed.token, "claim", claimed.rank), plan, (began, time.time()), _about(claimed)
    )


def ended(claimed: PlacementSpec, ending: PlacementOutcome, began: float) -> None:
    """`began`: when this agent took it up, for a command of which it is not known when it started."""
    start = ending.started_at.timestamp() if ending.started_at else began
    failed = "" if ending.reason == EndReason.COMPLETED else str(ending.reason)
    told = {"end_reason": str(ending.reason), "exit_code": -1 if ending.exit_code is None else ending.exit_code}
    traces.told("run", run_of(claimed), plan_of(claimed), (start, time.time()), _about(claimed) | told, failed=failed)


def environment(claimed: PlacementSpec) -> dict[str, str]:
    """By which training code joins the trace."""
    run = run_of(claimed)
    return {"TRACEPARENT": run} if run else {}


def _about(claimed: PlacementSpec) -> dict[str, object]:
    known = {"job": claimed.job_id, "attempt": claimed.attempt, "rank": claimed.rank}
    return {**known, "node": subject.current().get("node", "")}
