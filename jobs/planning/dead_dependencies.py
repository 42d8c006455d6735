"""Jobs whose dependencies can no longer come true: they end as cancelled, with the job at the root of it on record.

Found by what stands in the rows, not by somebody's word: after a cycle that saw one, and by each sweep of `recovery`. So an
end that nobody told of is found too, and a needed job that was requeued meanwhile, or is tried again, ends nobody.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Collection, Sequence

from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from jobs.messages import publishing
from jobs.models import Job, JobDependency
from jobs.models.standings import DEAD, STANDING, UNMET
from jobs.state import transitions
from jobs.state.queue_transitions import RELEASED, UNSTARTED
from jobs.state.transitions import Transition
from scheduling.lifecycle import EndReason, JobState
from scheduling.planning.dependencies import After, Doom, Link, doomed, doomed_again

log = logging.getLogger(__name__)
AT_ONCE = 5_000
"""So many jobs end in one transaction; what is left of a longer chain ends in the next one."""
OPEN_LINKS = f"""
    SELECT link.job_id, link.needs_id
    FROM jobs_job AS job
    JOIN jobs_jobdependency AS link ON link.job_id = job.id
    JOIN jobs_job AS needed ON needed.id = link.needs_id
    WHERE job.state IN ('pending', 'paused') AND job.on_dependency_failure = 'cancel' AND {STANDING} = ANY(%s)
"""  # noqa: S608  made of constants
DEAD_LINKS = f"""
    SELECT link.job_id, link.needs_id, link.after, needed.state, needed.end_reason, needed.root_cause
    FROM jobs_jobdependency AS link
    JOIN jobs_job AS needed ON needed.id = link.needs_id
    WHERE link.job_id = ANY(%s) AND {STANDING} = 'dead'
    ORDER BY link.id
"""  # noqa: S608  made of constants
WRITE_CAUSES = """
    UPDATE jobs_job SET message = said.message, end_reason = said.end_reason, root_cause = said.root
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS said (job_id, message, end_reason, root)
    WHERE jobs_job.id = said.job_id
"""


def cancel_dead() -> int:
    """End all of them, and all that need them; returns how many."""
    ended = 0
    try:
        while (some := _cancel_some()) >= AT_ONCE:
            ended += some
        ended += some
    except OperationalError as error:  # locked in a circle, or out of reach: the next sweep does what is left
        log.warning("Jobs whose dependencies can no longer come true are left to the next sweep: %s", error)
    return ended


def doomed_after_requeue(mortal: Collection[int], again: Collection[int]) -> dict[int, Doom]:
    """Which of the jobs `mortal` the next sweep would end if all of `again` were back in line."""
    if not mortal:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(DEAD_LINKS, [list(mortal)])
        links = [_link(*row) for row in cursor.fetchall()]
    return doomed_again(links, again)


@transaction.atomic
def _cancel_some() -> int:
    mortal, dead = _concerned()
    if not mortal:
        return 0
    # Found without locks, then locked and read again: most looks find nothing, and should make nobody wait.
    waiting = _lock(mortal, dead)
    dooms = list(doomed(_links(waiting, dead), waiting).values())
    # The causes after the moves, and only theirs: they are columns of their own for each job, and one statement for all.
    moved = transitions.apply([_cancelled(doom) for doom in dooms])
    _write_causes([doom for doom in dooms if doom.job in moved])
    if moved:
        publishing.request_cycle()
    return len(moved)


def _concerned() -> tuple[list[int], list[int]]:
    """Those that wait for something that died, and those behind them, nearest first; and what died."""
    dead = _open_links(DEAD)
    if not dead:
        return [], []
    dependents: dict[int, list[int]] = defaultdict(list)
    for job_id, needs_id in _open_links(DEAD, UNMET):
        dependents[needs_id].append(job_id)
    behind = dict.fromkeys(job_id for job_id, _ in dead)
    line = deque(behind)  # nearest first: what AT_ONCE cuts off is the far end, which comes next
    while line and len(behind) < AT_ONCE:
        new = [job_id for job_id in dependents[line.popleft()] if job_id not in behind]
        behind |= dict.fromkeys(new)
        line.extend(new)
    return list(behind)[:AT_ONCE], sorted({needs_id for _, needs_id in dead})


def _open_links(*standings: str) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(OPEN_LINKS, [list(standings)])
        return cursor.fetchall()


def _lock(mortal: Collection[int], dead: Collection[int]) -> frozenset[int]:
    """Which of `mortal` still wait. The dead are locked too: whoever requeues one comes before this, or after it."""
    # All in one statement, in the order of ids: both kinds one after the other could meet a requeue of a chain in a circle.
    rows = Job.objects.select_for_update(no_key=True).filter(pk__in=[*mortal, *dead]).order_by("pk")
    locked = list(rows.values_list("pk", "state", "on_dependency_failure"))
    return frozenset(pk for pk, state, wish in locked if state in UNSTARTED and wish == "cancel") & frozenset(mortal)


def _links(waiting: Collection[int], dead: Collection[int]) -> list[Link]:
    """Those that matter: of a job that needs ten thousand others usually one."""
    rows = JobDependency.objects.filter(job__in=list(waiting), needs__in=[*waiting, *dead]).order_by("pk")
    columns = ("job_id", "needs_id", "after", "needs__state", "needs__end_reason", "needs__root_cause")
    return [_link(*row) for row in rows.values_list(*columns)]


def _link(job: int, needs: int, after: str, state: str, reason: str, root: int | None) -> Link:
    return Link(job, needs, After(after), JobState(state), reason == EndReason.DEPENDENCY_FAILED, root)


def _cancelled(doom: Doom) -> Transition:
    return Transition(
        job_id=doom.job,
        to=JobState.CANCELLED,
        kind="cancelled",
        expected=UNSTARTED,
        changes={"finished_at": Now(), "reasons": [], "promised": False, "out_of_line_since": None, **RELEASED},
        message=doom.sentence,
        data={"root": doom.root, "needs": doom.link.needs, "needed_state": doom.link.state, "after": doom.link.after},
    )


def _write_causes(dooms: Sequence[Doom]) -> None:
    """One statement for all: each of them has words of its own."""
    reasons = {True: str(EndReason.DEPENDENCY_FAILED), False: str(EndReason.CANCELLED)}
    columns = (
        [doom.job for doom in dooms],
        [doom.sentence for doom in dooms],
        [reasons[doom.failure] for doom in dooms],
        [doom.root for doom in dooms],
    )
    with connection.cursor() as cursor:
        cursor.execute(WRITE_CAUSES, columns)
