"""The line of a pass in which quota is lent: who would borrow it comes after those whose own it is.

Kueue's order: whoever stays within nominal quota goes before who would borrow, whatever their places in line. Otherwise a
borrower that stands in front would be started to be stopped in the next pass, for an owner who takes back his own; and so
on with the next owner, while none of its work is kept.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator

from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import is_held
from scheduling.planning.stops.borrowers import More
from scheduling.sharing.cohorts import RESOURCES
from scheduling.sharing.ledger import INDEX, Check
from scheduling.snapshot import WaitingJob


class OwnersFirst:
    """Goes down the line; each job is to be dealt with before the next one is asked for.

    One that has waited too long (it is in `ahead`) and borrows is not passed by later jobs of its own project. `given_back`
    says for whom quota would be taken back if so much more were borrowed, once all have been looked at that need not borrow:
    who would borrow what those get has to yield, and stands in the pass's `yielding`.
    """

    def __init__(
        self,
        work: PassState,
        line: Iterable[WaitingJob],
        ahead: Container[int],
        given_back: Callable[[More], Iterable[WaitingJob]],
    ) -> None:
        self._work = work
        self._line = line
        self._ahead = ahead
        self._given_back = given_back
        self._usage = work.usage if work.coming is None else work.coming.usage
        self._is_refused = work.is_refused if work.coming is None else work.coming.refuses
        self._nominal: dict[str, tuple[Check, ...]] = {}

    def __iter__(self) -> Iterator[WaitingJob]:
        later: list[WaitingJob] = []
        behind: set[str] = set()  # projects whose first one goes by its wait
        for job in self._line:
            if job.project in behind or self._borrows(job):
                later.append(job)
                behind |= {job.project} if job.id in self._ahead else set()
            else:
                yield job
        back: tuple[WaitingJob, ...] | None = None
        for job in later:
            if self._borrows(job):
                back = tuple(self._given_back(self._borrowed_by(later))) if back is None else back
                self._yield_to(job, back)
            yield job

    def _borrows(self, job: WaitingJob) -> bool:
        """Whether quotas let it in, but not within what is its own: once those that leave have gone."""
        work, alike = self._work, self._work.class_of(job)
        if alike.hopeless or alike.firm or not alike.chain:
            return False
        if not alike.borrows:  # in a pass there is only ever less of its own left
            alike.borrows = not self._usage.has_room(self._own(alike.chain[0].slug), alike.count)
        return alike.borrows and not (self._is_refused(alike) or is_held(job, work.now))

    def _own(self, slug: str) -> tuple[Check, ...]:
        """The nominal quotas over jobs of the project."""
        found = self._nominal.get(slug)
        if found is None:
            ways = zip(RESOURCES, self._usage.cells.ways(slug), strict=True)
            steps = [(INDEX[name], step) for name, way in ways for step in way]
            found = tuple([(kind, step.held, step.nominal) for kind, step in steps if step.nominal is not None])
            self._nominal[slug] = found
        return found

    def _borrowed_by(self, jobs: Iterable[WaitingJob]) -> More:
        """What projects, and those above them, would hold in addition if all these started."""
        more = Counter[tuple[str, str]]()
        for alike, number in Counter(map(self._work.class_of, jobs)).items():
            amounts = [(name, number * getattr(alike.request.total, name)) for name in RESOURCES]
            for level in alike.chain:
                more.update({(level.slug, name): amount for name, amount in amounts if amount})
        return more

    def _yield_to(self, job: WaitingJob, back: Iterable[WaitingJob]) -> None:
        cohorts = self._work.cohorts
        near = [one.id for one in back if cohorts is not None and cohorts.branches(one.project, job.project)]
        if near:
            self._work.yielding[job.id] = tuple(near)
