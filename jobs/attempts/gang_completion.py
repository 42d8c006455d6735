"""The end of a gang, member by member: what is remembered of each, and when the attempt is over."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.attempts import gangs
from jobs.models import Attempt, Placement
from jobs.state import transitions
from jobs.state.desired import END, END_REASONS
from jobs.state.outcome import PlacementOutcome, sentence
from scheduling.lifecycle import EndReason, JobState, PlacementState
from scheduling.reasons import listed

OF_ALL = frozenset({EndReason.CANCELLED, EndReason.PREEMPTED, EndReason.STALLED, EndReason.PAUSED})
"""Ends that come over all members at once."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from members that ended: attempts that are over by that, and placements to be closed beside theirs."""

    over: Sequence[tuple[Placement, PlacementOutcome]]
    closed: Sequence[Placement]


def settle(rows: Sequence[Placement], by_id: Mapping[int, PlacementOutcome]) -> Settled:
    """Write down how these members ended. The caller holds the locks, has read `rows` under them, and closes them."""
    by_id = {row.pk: _as_desired(row.attempt.job.desired, by_id[row.pk]) for row in rows}
    ended: dict[int, list[Placement]] = defaultdict(list)
    for row in rows:
        ended[row.attempt_id].append(row)
    others = gangs.others_of(rows)
    over: list[tuple[Placement, PlacementOutcome]] = []
    closed = list(rows)
    for attempt_id, own in ended.items():
        verdict = _verdict(own, by_id)
        states = {state for of_attempt, state in others if of_attempt == attempt_id}
        # A member that nobody has claimed has no command to stop: it is closed at once, so that no late claim begins it.
        if verdict.reason != EndReason.COMPLETED and PlacementState.PLACED in states:
            closed += _unclaimed(attempt_id, by_id)
            states.remove(PlacementState.PLACED)
        if states:
            _go_on(own, verdict, by_id)
        else:
            over.append((own[0], verdict))
    return Settled(over, closed)


def _unclaimed(attempt_id: int, by_id: Mapping[int, PlacementOutcome]) -> list[Placement]:
    """Members that nobody has claimed, and now nobody can."""
    rows = Placement.objects.filter(attempt=attempt_id, state=PlacementState.PLACED)
    return list(rows.exclude(pk__in=by_id).select_related("attempt").order_by("pk"))


def _as_desired(wish: str, ending: PlacementOutcome) -> PlacementOutcome:
    """A member that lost its peer to a wish for the whole gang may fail before its own node has heard of the wish."""
    if ending.reason == EndReason.EXIT_CODE and wish != END and wish in END_REASONS:
        return replace(ending, reason=END_REASONS[wish], message="")
    return ending


def _verdict(ended: Sequence[Placement], by_id: Mapping[int, PlacementOutcome]) -> PlacementOutcome:
    """How the attempt ends as far as is known: by what was written down before, and by these ends.

    What came before the gang was complete is never charged: nothing had run.
    """
    attempt = ended[0].attempt
    verdict = PlacementOutcome(
        by_id[ended[0].pk].ref,
        EndReason(attempt.end_reason or EndReason.COMPLETED),
        exit_code=attempt.exit_code if attempt.end_reason else 0,
        message=attempt.message,
        charged=attempt.job.state != JobState.QUEUED,
    )
    for row in ended:
        ending = by_id[row.pk]
        if _explains(ending.reason, verdict.reason):
            message = _whose(ended, by_id, ending)
            verdict = replace(verdict, reason=ending.reason, exit_code=ending.exit_code, message=message)
        elif ending.reason in OF_ALL and not verdict.exit_code:
            verdict = replace(verdict, exit_code=ending.exit_code)  # 0 only if all members ended so
    # Of all that is known together: the earliest start, and a checkpoint if any member wrote one.
    starts = [attempt.started_at, *(by_id[row.pk].started_at for row in ended)]
    asked = any(by_id[row.pk].asked for row in ended)
    known = [saved for saved in (attempt.saved, *(by_id[row.pk].saved for row in ended)) if saved is not None]
    saved = any(known) if known else None
    return replace(verdict, started_at=min(filter(None, starts), default=None), asked=asked, saved=saved)


def _explains(new: EndReason, known: EndReason) -> bool:
    """Whether `new` says better than `known` why the attempt ended.

    The first failure counts. But a command that lost its peer exits with an error, often before anybody has noticed
    what became of the peer: so any other end explains an exit code.
    """
    if new in (EndReason.COMPLETED, EndReason.GANG_ENDED):
        return False
    return known == EndReason.COMPLETED or (known == EndReason.EXIT_CODE and new != EndReason.EXIT_CODE)


def _whose(ended: Sequence[Placement], by_id: Mapping[int, PlacementOutcome], ending: PlacementOutcome) -> str:
    """The end in words; of one that is not everybody's, with the members that ended so."""
    if ending.reason in OF_ALL:
        return ending.message
    alike = [
        row for row in ended if (by_id[row.pk].reason, sentence(by_id[row.pk])) == (ending.reason, sentence(ending))
    ]
    return f"{listed(f'Rank {row.rank} on {row.node.name}' for row in alike)}: {sentence(ending)}"


def _go_on(ended: Sequence[Placement], verdict: PlacementOutcome, by_id: Mapping[int, PlacementOutcome]) -> None:
    """Other members are still there: remember how it stands, and have them stopped unless all went well."""
    attempt = ended[0].attempt
    known: dict[str, Any] = {"started_at": verdict.started_at, "saved": verdict.saved}
    if verdict.reason != EndReason.COMPLETED:
        known |= {"end_reason": verdict.reason, "exit_code": verdict.exit_code, "message": verdict.message}
        gangs.stop_all([attempt.pk], END)
    Attempt.objects.filter(pk=attempt.pk).update(**known)
    for row in ended:
        ending = by_id[row.pk]
        if ending.reason not in (EndReason.COMPLETED, EndReason.GANG_ENDED):
            transitions.note(
                [attempt.job_id],
                "member_ended",
                message=f"Rank {row.rank} on {row.node.name}: {sentence(ending)}",
                data={
                    "rank": row.rank,
                    "node": row.node.name,
                    "end_reason": ending.reason,
                    "exit_code": ending.exit_code,
                },
            )
