"""What projects hold in a pass, as whole numbers that are kept up to date as jobs start and go.

Beside what a project holds: what is committed there, with what those below it keep to themselves and do not use; and what
is taken of the pool of those below it. `Cohorts` says what these are; here they change with each job by what that adds.
Parts of projects and queues (what one user holds there, and GPUs by model) are in no tree: they stand beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from scheduling.resources import Resources, total
from scheduling.sharing.cohort_tree import RESOURCES, CohortTree, Member, claim, claim_rises
from scheduling.sharing.quotas import NOTHING_USED, Usage
from scheduling.snapshot import Allocation, ProjectView, RunningJob

KINDS = (*RESOURCES, "running_jobs")
INDEX = {name: number for number, name in enumerate(KINDS)}
NOWHERE = -1
WIDTH = 3 * len(RESOURCES) + 1
HELD, JOBS, COMMITTED, TAKEN = 0, len(RESOURCES), len(RESOURCES) + 1, 2 * len(RESOURCES) + 1

NO_PARTS: Mapping[str, Usage] = {}

Check: TypeAlias = tuple[int, int, int]
"""Of which kind it is, the cell that is looked at, and the most that may be there."""
Checks: TypeAlias = Sequence[tuple[int, Sequence[tuple[int, int]]]]
"""Many of them, by kind."""


class Levels(NamedTuple):
    """All that a job counts in: the projects that have quotas, the nearest first, and parts of projects and queues."""

    projects: Sequence[ProjectView]
    parts: Sequence[ProjectView] = ()


class Step(NamedTuple):
    """One resource of a project, on the way up from a job's own."""

    held: int  # a cell, like the two that follow
    committed: int  # the same one where nobody below it keeps any of it
    taken: int  # of the pool that it counts in, if there is one
    nominal: int | None
    keeps: int
    most: int  # with all that it may borrow
    pool: int
    member: Member
    parent: str


Way: TypeAlias = Sequence[Step]
Changes: TypeAlias = tuple[Sequence[int], Sequence[tuple[Way, Sequence[int]]]]
"""The cells of how many jobs run; and for each of RESOURCES the way up, with what is held there if nothing else depends on that."""


class Cells:
    """Where in a ledger each number of a tree stands, and which of them a job of a project changes."""

    def __init__(self, tree: CohortTree) -> None:
        self.tree = tree
        self._place = {slug: WIDTH * number for number, slug in enumerate(tree.members)}
        self._ways: dict[str, tuple[Way, ...]] = {}
        self._own: dict[tuple[str, bool], tuple[Check, ...]] = {}
        self._steps: dict[tuple[str, str], Step] = {}
        self._changes: dict[str, Changes] = {}
        self._nominal: dict[str, Checks] = {}
        self._most_jobs: dict[str, Sequence[tuple[int, int]]] = {}
        self.empty = [0] * (WIDTH * len(self._place))
        self._keep(self.empty)

    def __contains__(self, slug: object) -> bool:
        return slug in self._place

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def held(self, slug: str, name: str) -> int:
        return self._place[slug] + HELD + INDEX[name]

    def committed(self, slug: str, name: str) -> int:
        keeps = (slug, name) in self.tree.keeping
        return self._place[slug] + (COMMITTED if keeps else HELD) + INDEX[name]

    def taken(self, parent: str, name: str) -> int:
        return self._place[parent] + TAKEN + INDEX[name]

    def most_jobs(self, slug: str) -> Sequence[tuple[int, int]]:
        """Of the project, and of each above it, that limits how many run: how many do, and may."""
        known = self._most_jobs.get(slug)
        if known is None:
            limited = [(one.slug, one.running_jobs) for one in self.tree.chain(slug) if one.running_jobs is not None]
            known = self._most_jobs[slug] = tuple([(self.held(name, KINDS[JOBS]), most) for name, most in limited])
        return known

    def ways(self, slug: str) -> tuple[Way, ...]:
        """For each of RESOURCES: from the project up to the root."""
        known = self._ways.get(slug)
        if known is None:
            chain = self.tree.chain(slug)
            known = self._ways[slug] = tuple([tuple([self._step(one, name) for one in chain]) for name in RESOURCES])
        return known

    def changes(self, slug: str) -> Changes:
        """All that a job of the project changes."""
        known = self._changes.get(slug)
        if known is None:
            jobs = tuple([self.held(one.slug, KINDS[JOBS]) for one in self.tree.chain(slug)])
            known = self._changes[slug] = (jobs, tuple([(way, _sums(way)) for way in self.ways(slug)]))
        return known

    def nominal(self, slug: str) -> Checks:
        """What is the own of the project, and of each above it: what they may hold without borrowing."""
        known = self._nominal.get(slug)
        if known is None:
            steps = [(INDEX[name], step) for name, way in zip(RESOURCES, self.ways(slug), strict=True) for step in way]
            own = [(kind, step.held, step.nominal) for kind, step in steps if step.nominal is not None]
            known = self._nominal[slug] = by_kind(_telling(own))
        return known

    def _step(self, member: Member, name: str) -> Step:
        known = self._steps.get((member.slug, name))
        if known is None:
            known = self._steps[member.slug, name] = self._new_step(member, name)
        return known

    def _new_step(self, member: Member, name: str) -> Step:
        nominal, parent = member.nominal.get(name), self.tree.parents[member.slug] or ""
        pool = None if nominal is None else self.tree.pool(parent, name)
        return Step(
            self.held(member.slug, name),
            self.committed(member.slug, name),
            NOWHERE if pool is None else self.taken(parent, name),
            nominal,
            member.keeps.get(name, 0),
            member.most(name) or 0,
            pool or 0,
            member,
            parent,
        )

    def _keep(self, counts: list[int]) -> None:
        """What is committed and taken while nobody holds anything: those below first."""
        tree = self.tree
        for name in RESOURCES:
            keepers = {one.slug for (_, kept), members in tree.keeping.items() if kept == name for one in members}
            for slug in sorted(keepers, key=lambda slug: -len(tree.chain(slug))):
                step = self._step(tree.members[slug], name)
                kept = claim(0, counts[step.committed], step.nominal, step.keeps)
                counts[self.committed(step.parent, name)] += kept
                if step.taken != NOWHERE:
                    counts[step.taken] += min(kept, step.most)

    def checks(self, slug: str, *, firm: bool) -> Checks:
        """All that a job of the project may have to stay within, by the most that it can add there."""
        own, pools = list[Check](), list[Check]()
        for member in self.tree.chain(slug):
            own += self.own(member.slug, firm=firm)
            parent = self.tree.parents[member.slug]
            for name in member.nominal if parent is not None else ():
                pools += self.of_pool(parent or "", name)
        return by_kind([*_telling(own), *pools])

    def of_limit(self, slug: str, name: str, *, firm: bool) -> tuple[Check, ...]:
        """What the project's own quota says; with the name of a resource, what those below it have of that together."""
        return tuple(self.of_pool(slug, name)) if name else self.own(slug, firm=firm)

    def own(self, slug: str, *, firm: bool = False) -> tuple[Check, ...]:
        """What the project's own quota says."""
        known = self._own.get((slug, firm))
        if known is None:
            known = self._own[slug, firm] = tuple(self._own_checks(slug, firm=firm))
        return known

    def _own_checks(self, slug: str, *, firm: bool) -> Iterator[Check]:
        member = self.tree.members[slug]
        for name in member.nominal:
            yield INDEX[name], self.committed(slug, name), member.most(name, firm=firm) or 0
        if member.running_jobs is not None:
            yield JOBS, self.held(slug, KINDS[JOBS]), member.running_jobs

    def of_pool(self, parent: str, name: str) -> Iterator[Check]:
        """What those below the project have together, if they share anything."""
        pool = self.tree.pool(parent, name)
        if pool is not None:
            yield INDEX[name], self.taken(parent, name), pool


class Ledger(Mapping[str, Usage]):
    """By project; what a job adds counts for all above it too. Beside that by part, where such are limited."""

    def __init__(self, cells: Cells, counts: list[int], parts: Mapping[str, Usage] = NO_PARTS) -> None:
        self.cells = cells
        self.counts = counts
        self._parts = dict(parts)

    @classmethod
    def of(cls, cells: Cells, running: Iterable[RunningJob], parts: Mapping[str, Usage] = NO_PARTS) -> "Ledger":
        """With all that these jobs hold, and what that is of parts."""
        jobs: dict[str, list[RunningJob]] = {}
        for job in running if cells.empty else ():
            jobs.setdefault(job.project, []).append(job)
        own = {slug: total(share.amount for job in of for share in job.shares) for slug, of in jobs.items()}
        return cls.holding(cells, {slug: Usage(amount, len(jobs[slug])) for slug, amount in own.items()}, parts)

    @classmethod
    def holding(cls, cells: Cells, own: Mapping[str, Usage], parts: Mapping[str, Usage] = NO_PARTS) -> "Ledger":
        """With what each of these projects holds, without those below it."""
        ledger = cls(cells, cells.empty.copy(), parts)
        for slug, used in own.items():
            ledger.change(slug, used.amount, used.running_jobs)
        return ledger

    def copy(self) -> "Ledger":
        return Ledger(self.cells, self.counts.copy(), self._parts)

    def __getitem__(self, slug: str) -> Usage:
        if slug not in self.cells:
            return self._parts[slug]
        at = self.cells.held(slug, RESOURCES[0])
        gpus, cpus, memory_mb, jobs = self.counts[at : at + len(KINDS)]
        return Usage(Resources(cpus, memory_mb, gpus), jobs)

    def __iter__(self) -> Iterator[str]:
        yield from self.cells
        yield from self._parts

    def __len__(self) -> int:
        return len(self.counts) // WIDTH + len(self._parts)

    def held(self, slug: str, name: str) -> int:
        return self.counts[self.cells.held(slug, name)]

    def committed(self, slug: str, name: str) -> int:
        return self.counts[self.cells.committed(slug, name)]

    def taken(self, parent: str, name: str) -> int:
        return self.counts[self.cells.taken(parent, name)]

    def count(self, levels: Levels, shares: Sequence[Allocation], amount: Resources, times: int = 1) -> None:
        """A job that holds these shares, so much in all, starts or, with -1 times, goes."""
        if levels.projects:
            self.change(levels.projects[0].slug, amount * times, times)
        if levels.parts:
            self.count_in_parts(levels.parts, shares, amount, times)

    def count_in_parts(
        self, parts: Sequence[ProjectView], shares: Sequence[Allocation], amount: Resources, times: int = 1
    ) -> None:
        """The same of what is in no tree."""
        for part in parts:
            held, before = part.held(shares, amount), self._parts.get(part.slug, NOTHING_USED)
            self._parts[part.slug] = Usage(before.amount + held * times, before.running_jobs + times)

    def change(self, slug: str, amount: Resources, jobs: int) -> None:
        """So many jobs of the project start that hold so much together, or, with less than nothing, go."""
        counts, (running, ways) = self.counts, self.cells.changes(slug)
        for cell in running:
            counts[cell] += jobs
        for (way, sums), more in zip(ways, (amount.gpus, amount.cpus, amount.memory_mb), strict=True):
            if more and sums:
                for cell in sums:
                    counts[cell] += more
            elif more:
                self._add(way, more)

    def _add(self, way: Way, more: int) -> None:
        """By how much a project's claim rises with it is what is newly committed above it."""
        counts, rises = self.counts, more
        for held, committed, taken, nominal, keeps, most, _, _, _ in way:
            holds, has, risen = counts[held], counts[committed], rises
            if taken == NOWHERE and more > 0:
                rises = claim_rises(holds, has, more, risen, nominal, keeps)
            else:
                before, after = claim(holds, has, nominal, keeps), claim(holds + more, has + risen, nominal, keeps)
                rises = after - before
                if taken != NOWHERE:
                    counts[taken] += min(after, most) - min(before, most)
            counts[committed] = has + risen
            counts[held] = holds + more

    def added(self, slug: str, kind: int, more: int, level: str) -> int:
        """How much more of one resource is committed at a level, the project or one above it, if it holds so much more."""
        counts, rises = self.counts, more
        for held, committed, _, nominal, keeps, _, _, member, _ in self.cells.ways(slug)[kind]:
            if member.slug == level:
                break
            rises = claim_rises(counts[held], counts[committed], more, rises, nominal, keeps)
        return max(0, rises)

    def refuses(self, slug: str, asked: Resources, *, firm: bool) -> bool:
        """Whether the quotas of the project or of one above it, or a cohort, are too small for one more such job."""
        counts = self.counts
        if any(counts[cell] >= most for cell, most in self.cells.most_jobs(slug)):
            return True
        wanted = zip(self.cells.ways(slug), (asked.gpus, asked.cpus, asked.memory_mb), strict=True)
        return any(more and self._is_short(way, more, firm=firm) for way, more in wanted)

    def _is_short(self, way: Way, more: int, *, firm: bool) -> bool:
        """Each project's own limit counts what is held there, and with what those below keep what is newly committed."""
        counts, rises = self.counts, more
        for held, committed, taken, nominal, keeps, most, pool, _, _ in way:
            holds, has = counts[held], counts[committed]
            if nominal is not None:
                allowed = nominal if firm else most
                if holds + more > allowed or (rises > 0 and has > holds and has + rises > allowed):
                    return True
            rises = claim_rises(holds, has, more, rises, nominal, keeps)
            if taken != NOWHERE and rises > 0 and counts[taken] + rises > pool:
                return True
        return False

    def has_room(self, checks: Checks, asked: Sequence[float]) -> bool:
        """Whether there is room in all these cells for so much of each kind; no job adds more to a cell than it asks for."""
        counts = self.counts
        for kind, cells in checks:  # asked for each job that may start, and a generator takes twice as long
            more = asked[kind]
            for cell, most in cells if more else ():
                if counts[cell] + more > most:
                    return False
        return True


def _telling(checks: Sequence[Check]) -> list[Check]:
    """Of those of a project and all above it, the nearest first, the ones that may fail where none of the others does.

    What is held at a level is held, and committed, at each above it: a limit no smaller than one of those says nothing.
    """
    found, least = list[Check](), dict[int, int]()
    for kind, cell, most in reversed(checks):
        if cell % WIDTH >= COMMITTED or kind not in least or most < least[kind]:
            found.append((kind, cell, most))
        least[kind] = min(most, least.get(kind, most))
    return found


def by_kind(checks: Iterable[Check]) -> Checks:
    """These, as `has_room` asks for them."""
    found: dict[int, list[tuple[int, int]]] = {}
    for kind, cell, most in checks:
        found.setdefault(kind, []).append((cell, most))
    return tuple(found.items())


def _sums(way: Way) -> Sequence[int]:
    """What is held there, if nothing else depends on it."""
    plain = all(step.committed == step.held and not step.keeps and step.taken == NOWHERE for step in way)
    return tuple([step.held for step in way]) if plain else ()
