"""What a node noticed about the jobs that it runs, on its way into their histories."""

from collections.abc import Sequence

from django.db import transaction

from executors.run.placement_run import PlacementRun
from jobs.models import Attempt
from jobs.state import transitions


def ship(runs: Sequence[PlacementRun]) -> None:
    """Write down what is new; it is forgotten only when the database has it. A stale attempt writes nothing."""
    told = [(run, list(run.notes)) for run in runs if run.notes]
    if not told:
        return
    with transaction.atomic():
        tokens = _open_tokens([run for run, _ in told])
        for run, notes in told:
            for note in notes if tokens.get(run.claimed.attempt_id) == run.claimed.token else ():
                transitions.note([run.claimed.job_id], note.kind, message=note.message)
    for run, notes in told:
        for _ in notes:  # those that were told, from the front: another thread may have added some behind them
            run.notes.popleft()


def _open_tokens(runs: Sequence[PlacementRun]) -> dict[int, str]:
    attempts = [run.claimed.attempt_id for run in runs]
    rows = Attempt.objects.filter(pk__in=attempts, ended_at__isnull=True).values_list("pk", "token")
    return {pk: str(token) for pk, token in rows}
