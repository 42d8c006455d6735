"""What the jobs of one call depend on: from the numbers, keys and names that somebody wrote to rows, and no circles."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from scheduling.errors import FieldError
from scheduling.planning.dependencies import After

SHOWN = 10
Key = tuple[str, str]
"""A project's slug, and a submission key in it."""


@dataclass(frozen=True, slots=True)
class Need:
    """A job and how it has to end. A string is the key or the name of a job of the same call, or a key of the project's."""

    job: int | str
    after: After = After.OK

    @property
    def number(self) -> int | None:
        """What it is the number of, if it can be one: of old a number may also come as a string."""
        if isinstance(self.job, int):
            return self.job
        return int(self.job) if self.job.isascii() and self.job.isdigit() else None


Meant = tuple[Need, tuple[int, ...]]
"""What was written, and whom it means."""


@dataclass(frozen=True, slots=True)
class Author:
    """A job of the call as far as dependencies go."""

    project: str
    name: str
    key: str
    needs: tuple[Need, ...]

    @property
    def label(self) -> str:
        return f'"{self.key or self.name}"'


@dataclass(frozen=True, slots=True)
class Resolved:
    """For each job of the call how each job that it needs has to end: by its number, or by its place in the call.

    A place is negative, as -1 for the first: no number is.
    """

    needs: tuple[Mapping[int, After], ...]
    faults: Mapping[int, tuple[FieldError, ...]]


def place(index: int) -> int:
    return -1 - index


@dataclass(frozen=True, slots=True)
class Directory:
    """Who can be named: the numbers that the caller may name, the keys that are taken, and the jobs of the call."""

    numbers: Collection[int]
    taken: Mapping[Key, int]
    by_key: Mapping[Key, int]
    by_any_key: Mapping[str, tuple[int, ...]]
    by_name: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, authors: Sequence[Author], numbers: Collection[int], taken: Mapping[Key, int]) -> "Directory":
        """Of jobs that repeat a key the first is meant; one that repeats a key of before is that job."""
        by_key: dict[Key, int] = {}
        by_name: dict[str, list[int]] = defaultdict(list)
        for index, author in enumerate(authors):
            key = (author.project, author.key)
            target = taken.get(key, place(index)) if author.key else place(index)
            if author.key and by_key.setdefault(key, target) != target:
                continue
            by_name[author.name].append(target)
        by_any_key: dict[str, list[int]] = defaultdict(list)
        for (_, word), target in by_key.items():
            by_any_key[word].append(target)
        return cls(numbers, taken, by_key, _frozen(by_any_key), _frozen(by_name))

    def find(self, need: Need, project: str) -> tuple[int, ...]:
        """Whom it means: one, or several if it is not clear, or nobody."""
        if isinstance(need.job, str) and (named := self._in_call(need.job, project)):
            return named
        if need.number is not None and need.number in self.numbers:
            return (need.number,)
        known = self.taken.get((project, str(need.job)))
        return () if known is None else (known,)

    def _in_call(self, word: str, project: str) -> tuple[int, ...]:
        own = self.by_key.get((project, word))
        return (own,) if own is not None else self.by_any_key.get(word) or self.by_name.get(word, ())


def _frozen(lists: Mapping[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {word: tuple(dict.fromkeys(targets)) for word, targets in lists.items()}


def resolve(authors: Sequence[Author], numbers: Collection[int], taken: Mapping[Key, int]) -> Resolved:
    """Who needs whom; with a fault for each name that nobody has, for contradictions, and for circles."""
    directory = Directory.of(authors, numbers, taken)
    faults: dict[int, tuple[FieldError, ...]] = {}
    needs: list[dict[int, After]] = []
    for index, author in enumerate(authors):
        meant = [(need, directory.find(need, author.project)) for need in author.needs]
        found: dict[int, After] = {}
        told = [*_unknown(author, meant), *_collect(meant, found)]
        if told:
            faults[index] = tuple(told)
        needs.append(found)
    if not faults:
        faults = dict(_circles(authors, needs))
    return Resolved(tuple(needs), faults)


def _unknown(author: Author, meant: Sequence[Meant]) -> Iterator[FieldError]:
    numbers = [str(need.number) for need, targets in meant if not targets and need.number is not None]
    if numbers:
        yield FieldError(
            "depends_on",
            f"There is no job {_some(numbers)} in your projects. A job depends on jobs that were submitted before it, "
            "or, by their submission_key or name, on others of its batch.",
            "unknown",
        )
    for at, (need, targets) in enumerate(meant):
        if not targets and need.number is None:
            words = f"No job of this batch has the submission_key or name {need.job!r}, and no other of project {author.project} the key."
            yield FieldError(f"depends_on[{at}]", words, "unknown")


def _collect(meant: Sequence[Meant], found: dict[int, After]) -> Iterator[FieldError]:
    """Fill `found`; what is not clear or contradicts itself is a fault."""
    for at, (need, targets) in enumerate(meant):
        if len(targets) > 1:
            words = f"{len(targets)} jobs of this batch are called {need.job!r}: give the one that is meant a submission_key."
            yield FieldError(f"depends_on[{at}]", words, "ambiguous")
        elif targets and found.setdefault(targets[0], need.after) != need.after:
            words = f"Names job {need.job} twice, after {found[targets[0]]} and after {need.after}."
            yield FieldError(f"depends_on[{at}]", words, "contradiction")


def _circles(
    authors: Sequence[Author], needs: Sequence[Mapping[int, After]]
) -> Iterable[tuple[int, tuple[FieldError]]]:
    within = {index: [place(one) for one in of if one < 0] for index, of in enumerate(needs)}
    try:
        TopologicalSorter(within).prepare()
    except CycleError as error:
        circle: list[int] = error.args[1]  # each is needed by the next, and the first is the last
        steps = [authors[index].label for index in circle[::-1]]
        shown = steps if len(steps) <= SHOWN else [*steps[: SHOWN - 1], "...", steps[-1]]
        words = f"Goes round in a circle: {' needs '.join(shown)}."
        return [(circle[-1], (FieldError("depends_on", words, "circle"),))]
    return []


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:SHOWN])} and {more} more"
