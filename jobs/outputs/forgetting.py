"""Forgetting what attempts left: what nobody needs any more goes, the oldest first where a project keeps too much.

What is marked to be kept stays, and so does what a job is still to begin with.
"""

from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet, Sum

from jobs.models import Job, KeptFile, KeptOutputs
from jobs.outputs import project_limits
from jobs.outputs.project_limits import Level, in_words
from jobs.state import transitions
from scheduling.lifecycle import TERMINAL_STATES

State = KeptOutputs.State
AT_ONCE = 200


def wanted() -> set[int]:
    """Whose outputs a job is still to begin with."""
    rows = Job.objects.exclude(state__in=TERMINAL_STATES).exclude(inputs=[]).values_list("inputs", flat=True)
    return {one["job"] for inputs in rows for one in inputs}


def unneeded(projects: Collection[int], wanted: Collection[int]) -> QuerySet[KeptOutputs]:
    """Of jobs that are over, and not marked to be kept."""
    return KeptOutputs.objects.filter(
        state=State.KEPT, attempt__job__project__in=projects, attempt__job__keep_outputs=False,
        attempt__job__state__in=TERMINAL_STATES,
    ).exclude(attempt__job__in=wanted)  # fmt: skip


def forget(ids: Collection[int], *, message: str = "") -> None:
    """These, whose rows the caller has locked."""
    KeptFile.objects.filter(outputs__in=ids).delete()
    KeptOutputs.objects.filter(pk__in=ids).update(state=State.FORGOTTEN, size=0, message=message)


def resize(ids: Iterable[int]) -> None:
    """Some of their files have come or gone."""
    ids = list(ids)
    kept = KeptFile.objects.filter(outputs__in=ids, state=KeptFile.State.KEPT).order_by()
    sizes = dict(kept.values_list("outputs").annotate(all=Sum("size")))
    for pk in ids:
        KeptOutputs.objects.filter(pk=pk).update(size=sizes.get(pk, 0))


@transaction.atomic
def make_room(level: Level, need: int, wanted: Collection[int], *, but: int = 0) -> int:
    """Forget the oldest until so many bytes are free there; returns how many are. `but` is an attempt that stays.

    Their jobs are locked with them, as whoever deletes a job has it first: what somebody else is at is left.
    """
    rows = _candidates(level, wanted, but).filter(size__gt=0).select_related("attempt__job").order_by("kept_at", "pk")
    freed = 0
    while freed < need:
        some = list(rows.select_for_update(of=("self", "attempt__job"), no_key=True, skip_locked=True)[:AT_ONCE])
        going: list[KeptOutputs] = []
        for row in some:
            if freed < need:
                going.append(row)
                freed += row.size
        if not going:
            break
        _drop(level, going)
    return freed


def could_free(level: Level, wanted: Collection[int], *, but: int = 0) -> int:
    """So many bytes may go there if they have to."""
    return _candidates(level, wanted, but).aggregate(all=Sum("size"))["all"] or 0


def keep_limits() -> int:
    """After a limit was lowered, or a job that went on is over; returns how many bytes went."""
    over = [level for level in project_limits.all_levels() if level.used > level.most]
    needed = wanted() if over else ()
    return sum(make_room(level, level.used - level.most, needed) for level in over)


def _candidates(level: Level, wanted: Collection[int], but: int) -> QuerySet[KeptOutputs]:
    return unneeded(level.below, wanted).exclude(attempt=but)


def _drop(level: Level, rows: Collection[KeptOutputs]) -> None:
    words = f"Forgotten to make room: {level.slug} keeps at most {in_words(level.most)}, and these were the oldest that nobody keeps."
    forget([row.pk for row in rows], message=words)
    sizes: dict[int, int] = {}
    for row in rows:
        sizes[row.attempt.job_id] = sizes.get(row.attempt.job_id, 0) + row.size
    for job, size in sorted(sizes.items()):
        transitions.note([job], "outputs_forgotten", message=f"Its outputs, {in_words(size)}. {words}")
