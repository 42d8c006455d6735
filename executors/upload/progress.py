"""What running jobs report of themselves, on its way to the database, a batch a node."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import connection

from executors.run.placement_run import PendingReport, PlacementRun, moment
from executors.upload import series
from workers.runtime.report_reader import Report

READS_AT_THE_END = 32
"""Of a report that grew faster than it was read: so many megabytes are read when its command has ended, no more."""
# The rows are locked in the order of ids first: a plain update takes them as it finds them, and could wait in a circle.
UPDATE_PROGRESS = """
    WITH heard AS (
        SELECT job.id, said.*
        FROM unnest(%s::bigint[], %s::text[], %s::float8[], %s::jsonb[], %s::boolean[], %s::timestamptz[])
            AS said (attempt_id, token, progress, metrics, done, checkpoint_at)
        JOIN jobs_attempt AS attempt ON attempt.id = said.attempt_id
        JOIN jobs_job AS job ON job.id = attempt.job_id
        WHERE attempt.token::text = said.token AND attempt.ended_at IS NULL
          AND job.attempt = attempt.number AND job.state IN ('assigned', 'running')
        ORDER BY job.id FOR NO KEY UPDATE OF job
    )
    UPDATE jobs_job SET
        progress = coalesce(said.progress, jobs_job.progress),
        said_done = jobs_job.said_done OR said.done,
        metrics = jobs_job.metrics || said.metrics,
        progress_at = CASE
            WHEN said.progress IS NULL AND said.metrics = '{}' AND NOT said.done THEN jobs_job.progress_at
            ELSE statement_timestamp()
        END,
        checkpoint_at = CASE
            WHEN said.checkpoint_at IS NULL THEN jobs_job.checkpoint_at
            ELSE greatest(jobs_job.checkpoint_at, least(said.checkpoint_at, statement_timestamp()))
        END
    FROM heard AS said WHERE jobs_job.id = said.id
"""


def ship_progress(runs: Sequence[PlacementRun], *, to_the_end: bool = False) -> None:
    """Write what the jobs reported since the last time: for those that have ended, all of it, up to many reads.

    For a gang its rank 0 speaks. A checkpoint is no progress: a job that reports nothing else is not watched for stalls.
    """
    for _ in range(READS_AT_THE_END if to_the_end else 1):
        if not _write_progress(runs):
            break
    series.ship(runs, to_the_end=to_the_end)


def _write_progress(runs: Sequence[PlacementRun]) -> bool:
    """Write what one read of each report says, in one statement; says whether any said anything. A stale attempt writes nothing."""
    # Checkpoints are looked for whether or not there is a report: a job that reports nothing may still write some.
    for run in (run for run in runs if run.claimed.rank == 0):
        report = run.report.read_new()
        checkpoint_at = _checkpoint_at(run, report)
        if report is not None or checkpoint_at is not None:
            run.unsaid = _together(run.unsaid, PendingReport(report or Report(), checkpoint_at))
    said = [(run, *run.unsaid) for run in runs if run.unsaid]
    if not said:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            UPDATE_PROGRESS,
            [
                [run.claimed.attempt_id for run, _, _ in said],
                [run.claimed.token for run, _, _ in said],
                [report.progress for _, report, _ in said],
                [json.dumps(report.metrics) for _, report, _ in said],
                [report.done for _, report, _ in said],
                [checkpoint_at for _, _, checkpoint_at in said],
            ],
        )
    for run, _, _ in said:  # a report is read once: until the database has it, it is kept
        run.unsaid = None
    return True


def _together(before: PendingReport | None, now: PendingReport) -> PendingReport:
    """What the database did not take the last time is said again with what is new."""
    if before is None:
        return now
    progress = before.report.progress if now.report.progress is None else now.report.progress
    done = before.report.done or now.report.done
    report = Report(progress, {**before.report.metrics, **now.report.metrics}, done=done)
    return PendingReport(report, now.checkpoint_at or before.checkpoint_at)


def _checkpoint_at(run: PlacementRun, report: Report | None) -> datetime | None:
    """When the job wrote a checkpoint, if that is news: it says so, or a file in its folder for checkpoints is new."""
    if report is not None and report.checkpoint:
        return datetime.now(UTC)
    written = run.checkpoints.newly_written_at() if run.checkpoints is not None else None
    return moment(written)
