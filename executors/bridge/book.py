"""What a bridge has in hand: every attempt that it claimed, or adopted, and has not reported as ended."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from executors.bridge.attempt_run import AttemptRun
from executors.run.placement_run import PlacementRun
from jobs.attempts.claims import Held, PlacementSpec


class Book:
    """Used by the bridge's one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_attempt: dict[int, AttemptRun] = {}
        self._by_name: dict[str, AttemptRun] = {}
        self.unstarted: dict[int, AttemptRun] = {}
        """Those that the cluster has not taken yet, in the order of their claims."""

    def __len__(self) -> int:
        return len(self._by_attempt)

    def __iter__(self) -> Iterator[AttemptRun]:
        return iter(list(self._by_attempt.values()))

    def named(self, name: str) -> AttemptRun | None:
        return self._by_name.get(name)

    def members(self) -> list[PlacementRun]:
        return [run for attempt in self._by_attempt.values() for run in attempt.members]

    def claimed(self, specs: Iterable[PlacementSpec]) -> None:
        """These were claimed just now."""
        for attempt_id, mine in _by_attempt(specs):
            known = self._by_attempt.get(attempt_id)
            if known is None:
                self._add(AttemptRun(mine, self._folder))
            else:
                known.join(mine, self._folder)

    def adopt(self, held: Sequence[Held]) -> list[AttemptRun]:
        """Go on with what is on record as claimed; returns those that were not in hand."""
        known = {run.placement_id for run in self.members()}
        fresh = [one for one in held if one.spec.placement_id not in known]
        started = {one.spec.attempt_id for one in held if one.started}
        found = []
        for attempt_id, specs in _by_attempt(one.spec for one in fresh):
            attempt = self._by_attempt.get(attempt_id)
            if attempt is not None:
                attempt.join(specs, self._folder)
                continue
            attempt = AttemptRun(specs, self._folder, started=attempt_id in started)
            attempt.start_asked = True  # by an earlier bridge, perhaps
            self._add(attempt)
            found.append(attempt)
        return found

    def created(self, attempt: AttemptRun) -> None:
        """The cluster has it."""
        attempt.created = True
        self.unstarted.pop(attempt.spec.attempt_id, None)

    def drop(self, attempt: AttemptRun) -> None:
        """Its end is on record, or it is somebody else's."""
        self._by_attempt.pop(attempt.spec.attempt_id, None)
        self._by_name.pop(attempt.name, None)
        self.unstarted.pop(attempt.spec.attempt_id, None)
        attempt.given_up = True
        for run in attempt.members:
            shutil.rmtree(run.folder, ignore_errors=True)

    def phases(self) -> dict[str, int]:
        """How many workloads are how far, as the cluster showed last."""
        return dict(Counter(str(one.observed.phase) for one in self if one.observed is not None))

    def _add(self, attempt: AttemptRun) -> None:
        self._by_attempt[attempt.spec.attempt_id] = attempt
        self._by_name[attempt.name] = attempt
        if not attempt.created:
            self.unstarted[attempt.spec.attempt_id] = attempt


def _by_attempt(specs: Iterable[PlacementSpec]) -> Iterator[tuple[int, list[PlacementSpec]]]:
    ordered = sorted(specs, key=lambda spec: (spec.attempt_id, spec.rank))
    for attempt_id, mine in groupby(ordered, key=lambda spec: spec.attempt_id):
        yield attempt_id, list(mine)
