"""The line of a pass in which quota is lent: who would borrow it comes after those whose own it is.

Kueue's order: whoever stays within nominal quota goes before who would borrow, whatever their places in line. Otherwise a
borrower that stands in front would be started to be stopped in the next pass, for an owner who takes back his own; and so
on with the next owner, while none of its work is kept.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator

from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import is_held
from scheduling.planning.scheduling_class import Classified, SchedulingClass
from scheduling.planning.stops.borrowers import More
from scheduling.sharing.cohorts import RESOURCES
from scheduling.snapshot import WaitingJob


class OwnersFirst:
    """Asked of one job after another, in line: each is to be dealt with before the next one is asked about.

    One that has waited too long (it is in `ahead`) and borrows is not passed by later jobs of its own project. `given_back`
    says for whom quota would be taken back if so much more were borrowed, once all have been looked at that need not borrow:
    who would borrow what those get has to yield, and stands in the pass's `yielding`.
    """

    def __init__(
        self, work: PassState, ahead: Container[int], given_back: Callable[[More], Iterable[WaitingJob]]
    ) -> None:
        self._work = work
        self._ahead = ahead
        self._given_back = given_back
        self._usage = work.usage if work.coming is None else work.coming.usage
        self._refuses = work.refuses if work.coming is None else work.coming.refuses
        self.put_off: list[Classified] = []  # those that come later than they stand in line
        self.behind: set[str] = set()  # projects whose first one of these goes by its wait

    def puts_off(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether the job comes after all that need not borrow; one of a hopeless class only if it is `behind` another."""
        if not (job.project in self.behind or self._borrows(job, alike)):
            return False
        self.put_off.append((job, alike))
        if job.id in self._ahead:
            self.behind.add(job.project)
        return True

    def later(self) -> Iterator[Classified]:
        """Those that come after all others, as they stand in line."""
        back: tuple[WaitingJob, ...] | None = None
        for job, alike in self.put_off:
            if self._borrows(job, alike):
                back = tuple(self._given_back(self._borrowed_by(self.put_off))) if back is None else back
                self._yield_to(job, back)
            yield job, alike

    def _borrows(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether quotas let it in, but not within what is its own: once those that leave have gone."""
        if alike.hopeless or alike.firm or not alike.chain:
            return False
        if not alike.borrows:  # in a pass there is only ever less of its own left
            alike.borrows = not self._usage.has_room(self._usage.cells.nominal(alike.chain[0].slug), alike.count)
        return alike.borrows and not (self._refuses(alike) or is_held(job, self._work.now))

    def _borrowed_by(self, jobs: Iterable[Classified]) -> More:
        """What projects, and those above them, would hold in addition if all these started."""
        more = Counter[tuple[str, str]]()
        for alike, number in Counter(alike for _, alike in jobs).items():
            amounts = [(name, number * getattr(alike.request.total, name)) for name in RESOURCES]
            for level in alike.chain:
                more.update({(level.slug, name): amount for name, amount in amounts if amount})
        return more

    def _yield_to(self, job: WaitingJob, back: Iterable[WaitingJob]) -> None:
        cohorts = self._work.cohorts
        near = [one.id for one in back if cohorts is not None and cohorts.branches(one.project, job.project)]
        if near:
            self._work.yielding[job.id] = tuple(near)
