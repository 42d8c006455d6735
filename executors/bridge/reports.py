"""What a bridge tells the database of its attempts: starts, output, progress and ends, a batch for all of them.

The caller holds the cluster's row: see `workers.clusters.speaking`.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from executors.bridge.attempt_run import AttemptRun
from executors.run import run_spans
from executors.run.placement_run import PlacementRun, moment
from executors.upload import activity, events, logs, progress, series
from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.state import transitions
from jobs.state.outcome import PlacementRef

ENDS_A_TURN = 200


def record_starts(attempts: Sequence[AttemptRun], cluster_id: int) -> None:
    """Say of each since when it runs, by the cluster's clock."""
    moments: dict[PlacementRef, datetime] = {}
    for attempt in attempts:
        begun = moment(attempt.observed.started_at) if attempt.observed else None
        moments |= {run.claimed.ref: begun or datetime.now(UTC) for run in attempt.members}
    claims.started(moments, cluster_id=cluster_id)
    for attempt in attempts:
        attempt.start_recorded = True


def ship(changed: Iterable[PlacementRun], everybody: Sequence[PlacementRun]) -> None:
    """Store what is new of those of which something came in, and the words of all."""
    new = set(changed)
    runs = list(new)
    logs.ship_logs(runs)
    progress.ship_progress([run for run in everybody if run in new or run.unsaid or run.report.has_unstored])
    activity.ship(runs)
    events.ship(everybody)


def resume(attempts: Sequence[AttemptRun]) -> None:
    """Go on with what an earlier bridge began, after what the database has of it."""
    for attempt in attempts:
        for run in attempt.members:
            run.log.resume()
        series.resume(attempt.members[0])
    transitions.note(
        [one.spec.job_id for one in attempts if one.created],
        "adopted",
        message="The cluster's bridge was restarted and goes on with it.",
    )


def ended_whole(ended: Iterable[AttemptRun]) -> list[AttemptRun]:
    """Those whose end is known and of whose output all that the cluster has lies here; a few hundred at a time."""
    ready = list(islice((one for one in ended if one.is_whole), ENDS_A_TURN))
    for attempt in ready:
        for run in attempt.members:
            spool = attempt.log_spools.get(run.claimed.rank)
            length = spool.position if spool is not None else run.log.position
            run.log.end(None if attempt.output_lost else length)
    return ready


def report_ends(attempts: Sequence[AttemptRun]) -> list[AttemptRun]:
    """Report those whose logs are stored whole, and return them; a long one takes several turns."""
    whole = logs.ship_tails([run for attempt in attempts for run in attempt.members])
    over = [attempt for attempt in attempts if whole.issuperset(attempt.members)]
    # Their progress before their end, which closes them and is judged by what the command has reported.
    progress.ship_progress([run for attempt in over for run in attempt.members], to_the_end=True)
    outcomes = [outcome for attempt in over for outcome in attempt.ending or ()]
    finish(outcomes)
    claimed = {run.claimed.ref: run.claimed for attempt in over for run in attempt.members}
    for outcome in outcomes:
        run_spans.ended(claimed[outcome.ref], outcome, time.time())
    return over
