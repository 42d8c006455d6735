"""How a workload's end is reported: as the cluster tells it, and for what reason of ours it was stopped."""

from dataclasses import replace

from executors.bridge.attempt_run import AttemptRun
from executors.engine import Observed, RefusedError
from executors.run.placement_run import NEVER_RAN, Stop, moment
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.runtime.report_reader import checkpoint_after

OF_EVERYBODY = frozenset(
    {EndReason.COMPLETED, EndReason.CANCELLED, EndReason.PREEMPTED, EndReason.PAUSED, EndReason.STALLED}
)
"""Ends that all members of a gang have in common; any other is one member's, and the others ended with it."""
OUTWEIGH_A_STOP = frozenset({EndReason.NODE_LOST, EndReason.OUT_OF_MEMORY, EndReason.TIMEOUT, EndReason.START_FAILED})


def observed(attempt: AttemptRun, seen: Observed) -> list[PlacementOutcome]:
    """Of one that the cluster shows as ended."""
    stop = _stop(attempt)
    reason = seen.reason or (EndReason.COMPLETED if seen.exit_code == 0 else EndReason.EXIT_CODE)
    stopped = seen.stop_asked and reason not in OUTWEIGH_A_STOP
    if stopped:
        stop = stop or Stop(EndReason.PREEMPTED, gives_way=True)  # an earlier bridge stopped it, and could not say why
        reason = stop.reason
    never_ran = str(reason) in NEVER_RAN
    outcome = PlacementOutcome(
        attempt.members[0].claimed.ref,
        reason,
        exit_code=seen.exit_code,
        message=" ".join(filter(None, (stop.message if stopped and stop else "", seen.message))),
        started_at=None if never_ran else moment(seen.started_at),
        charged=seen.charged and not (stopped and never_ran),  # it never began, and who stopped it was this bridge
        asked=stopped and stop is not None and stop.gives_way,
        saved=_saved(attempt) if stopped and stop is not None and stop.gives_way else None,
        peak_memory_mb=seen.peak_memory_mb,
        cpu_seconds=seen.cpu_seconds,
        cpu_joules=seen.joules,
        energy_partial=seen.joules is None,
    )
    return _for_all(attempt, outcome, seen.rank or 0)


def gone(attempt: AttemptRun, cluster: str) -> list[PlacementOutcome]:
    """Of one that the cluster has no more, and had: somebody deleted it. What we stopped may well be gone."""
    stop = _stop(attempt)
    if stop is not None and attempt.stop_told is not None:
        return _for_all(attempt, _outcome(attempt, stop.reason, stop.message, asked=stop.gives_way))
    words = f"Its workload {attempt.name} is gone from cluster {cluster}: somebody deleted it there."
    return _for_all(attempt, _outcome(attempt, EndReason.NODE_LOST, words))


def refused(attempt: AttemptRun, error: RefusedError) -> list[PlacementOutcome]:
    """Of one that the cluster would not take."""
    return _for_all(attempt, replace(_outcome(attempt, error.reason, str(error)), charged=error.charged))


def never_started(attempt: AttemptRun) -> list[PlacementOutcome]:
    """Of one that was to stop before the cluster was asked to run it."""
    stop = _stop(attempt) or Stop(EndReason.PREEMPTED)
    return _for_all(attempt, _outcome(attempt, stop.reason, stop.message or "It was stopped before it had begun."))


def _outcome(attempt: AttemptRun, reason: EndReason, message: str, *, asked: bool = False) -> PlacementOutcome:
    began = None if attempt.observed is None else moment(attempt.observed.started_at)
    return PlacementOutcome(
        attempt.members[0].claimed.ref, reason, message=message, started_at=began, asked=asked, energy_partial=True
    )


def _for_all(attempt: AttemptRun, outcome: PlacementOutcome, rank: int = 0) -> list[PlacementOutcome]:
    """The whole outcome for the member whose end it was; what was used is told once."""
    found = []
    for run in attempt.members:
        if run.claimed.rank == rank or len(attempt.members) == 1:
            found.append(replace(outcome, ref=run.claimed.ref))
        else:
            reason = outcome.reason if outcome.reason in OF_EVERYBODY else EndReason.GANG_ENDED
            beside = PlacementOutcome(
                run.claimed.ref, reason, exit_code=outcome.exit_code if reason == outcome.reason else None,
                started_at=outcome.started_at, charged=outcome.charged, asked=outcome.asked, energy_partial=True,
            )  # fmt: skip
            found.append(beside)
    return found


def _stop(attempt: AttemptRun) -> Stop | None:
    """Why it was to stop: of the members' the strongest, as they all hear the same wishes."""
    stops = [run.stopping for run in attempt.members if run.stopping is not None]
    return next((stop for stop in stops if stop.reason == EndReason.CANCELLED), stops[0] if stops else None)


def _saved(attempt: AttemptRun) -> bool | None:
    """Whether it reported a checkpoint after it was told to stop; of files in the cluster nothing is known here."""
    before = attempt.reported_before_stop
    if before is None or not checkpoint_after(attempt.members[0].report.path, before):
        return None
    return True
