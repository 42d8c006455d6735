"""Room kept for jobs that wait, so that others start only where they delay nobody who was promised a start."""

from bisect import bisect_left, insort
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.nodes.profile import FOREVER, Capacity, NodeProfile, Release, Window, bits, held_by, need
from scheduling.plan_result import PlannedReservation
from scheduling.resources import WHOLE_GPU, Request
from scheduling.run_times import latest_end
from scheduling.snapshot import Allocation, NodeView, RunningJob

MOMENT = itemgetter(0)
NOWHERE: Mapping[int, FreeNode] = {}
Windows = Mapping[int, Sequence[Window]]
"""For nodes by number: when they are kept for others."""


class ClosedNodes:
    """Which nodes are kept for others before some moment. A pass asks for each job, with few different windows."""

    def __init__(self, free: FreeNodes) -> None:
        self._free = free
        self._starts: dict[int, tuple[Windows, list[float], list[str]]] = {}
        self._before: dict[tuple[int, int], frozenset[str]] = {}

    def before(self, end: float, windows: Windows) -> frozenset[str]:
        # The windows stay in what is kept of them, so that no others get their identity.
        known = self._starts.get(id(windows))
        if known is None:
            first = sorted((min(kept)[0], self._free.nodes[number].view.name) for number, kept in windows.items())
            known = self._starts[id(windows)] = (windows, [start for start, _ in first], [name for _, name in first])
        number = bisect_left(known[1], end)
        found = self._before.get((id(windows), number))
        if found is None:
            found = self._before[id(windows), number] = frozenset(known[2][:number])
        return found


class Slot(NamedTuple):
    """The earliest start that was found for a request, and the nodes by number."""

    start: float
    nodes: tuple[int, ...]


class ReservationTable:
    """The reservations of one planning pass, and what will be free around them.

    Starts are promised by the limits that users gave: whatever ends earlier can only help. `endless`: what jobs without a
    limit may have beside is another matter, as nobody counts on their ends.
    """

    def __init__(
        self,
        free: FreeNodes,
        running: Sequence[RunningJob],
        now: float,
        assumed_limit: float,
        *,
        endless: bool = False,
    ) -> None:
        self.reservations: list[PlannedReservation] = []
        self._free = free
        self._running = running
        self.now = now
        self._assumed_limit = assumed_limit
        self._releases: dict[int, list[Release]] | None = None
        self._started: list[tuple[float, Allocation]] = []
        self._profiles: dict[int, NodeProfile] = {}
        self._first_start: dict[int, float] = {}  # of the reservations on a node
        self._ceilings: dict[tuple[int, Capacity, frozenset[int]], FreeNode] = {}
        self._kept_gpus: dict[int, list[tuple[float, int]]] = {}  # by node: from when a GPU is reserved, and its index
        # The same as it is if no job without a limit ever ends.
        self._endless = ReservationTable(free, running, now, FOREVER) if endless else None

    def started(self, shares: Sequence[Allocation], end: float, *, endless: bool = False) -> None:
        """A job was placed in this pass and holds these shares until `end` at the latest; `endless`: or for longer."""
        if self._endless is not None:
            self._endless.started(shares, FOREVER if endless else end)
        for share in shares:
            self._started.append((end, share))
            number = self._free[share.node].number
            if self._releases is not None:
                insort(self._releases.setdefault(number, []), (end, -len(self._started), share), key=MOMENT)
            if number in self._first_start:
                self._profiles[number].allocate(self.now, end, held_by(share))
            else:
                self._profiles.pop(number, None)
        if self._ceilings:
            self._ceilings.clear()

    @property
    def keeps_room(self) -> bool:
        return bool(self._first_start)

    def ceilings(
        self, until: float, after: float | None = None, beside: FreeNodes | None = None
    ) -> Mapping[int, FreeNode]:
        """What a job that may last until then, or FOREVER, can have on the nodes where it would run into a reservation.

        `after`: when it starts, if that is not now. `beside`: what will be left of all nodes as soon as those that leave
        have gone, and those for whom that is kept have started; it has no more.
        """
        if not self._first_start:
            return NOWHERE
        if until == FOREVER and self._endless is not None:
            return self._endless.ceilings(until, after, beside)
        left = beside.nodes if beside is not None else None
        numbers = [number for number, at in self._first_start.items() if at < until]
        return {number: self._ceiling(number, until, after, left[number] if left else None) for number in numbers}

    def _ceiling(self, number: int, until: float, after: float | None, left: FreeNode | None) -> FreeNode:
        profile = self._profiles[number]
        room = profile.room_until(until) if after is None else profile.room_between(after, until)
        if left is not None:
            room = room._replace(cpus=min(room.cpus, left.cpus), memory_mb=min(room.memory_mb, left.memory_mb))
        kept = frozenset(index for start, index in self._kept_gpus.get(number, ()) if start < until)
        found = self._ceilings.get((number, room, kept))
        if found is None:
            found = self._ceilings[number, room, kept] = _limited(self._free.nodes[number], room, kept)
        return found

    def find(self, request: Request, length: float, kept: Windows, after: float) -> Slot | None:
        """The earliest moment, not before `after`, at which the request fits on all its nodes at once for so long.

        None if it never will.
        """
        able = [node for node in self._free.nodes if could_hold(request, node.view)]
        if len(able) < request.nodes:
            return None
        search = _Search(self, request, length, kept)
        times = search.earliest_of(able, after)
        while True:
            start = sorted(times.values())[request.nodes - 1]
            if start == FOREVER:
                return None
            ready = [
                number for number, time in times.items() if time <= start and search.earliest(number, start) == start
            ]
            if len(ready) >= request.nodes:
                # Those that become free last: the others stay open to long jobs.
                ready.sort(key=lambda number: (-times[number], -search.hope(self._free.nodes[number]), number))
                return Slot(start, tuple(sorted(ready[: request.nodes])))
            times = search.earliest_of(able, start)

    def reserve(self, job_id: int, request: Request, slot: Slot, length: float) -> None:
        """Keep the slot for the job."""
        shares = []
        for rank, number in enumerate(slot.nodes):
            node = self._free.nodes[number]
            gpus = self._gpus(number, request, slot.start, slot.start + length)
            shares.append(Allocation(node.view.name, request.amount, gpus, rank))
        self.keep(job_id, slot.start, shares, length)

    def keep(self, job_id: int, start: float, shares: Sequence[Allocation], length: float) -> None:
        """Keep just these shares for the job from then on."""
        for share in shares:
            number = self._free[share.node].number
            self.profile(number).allocate(start, start + length, held_by(share))
            self._first_start[number] = min(start, self._first_start.get(number, FOREVER))
            self._kept_gpus.setdefault(number, []).extend((start, index) for index in share.gpu_indices)
        self._ceilings.clear()
        self.reservations.append(PlannedReservation(job_id, start, tuple(shares)))
        if self._endless is not None:
            self._endless.keep(job_id, start, [self._endless.beside_held(one, start, length) for one in shares], length)

    def beside_held(self, share: Allocation, start: float, length: float) -> Allocation:
        """The share on GPUs that nobody holds then, as far as there are any: so many are kept, whichever those will be."""
        own = bits(share.gpu_indices)
        free = self.profile(self._free[share.node].number).room_between(start, start + length).gpus
        others = [index for index in range(free.bit_length()) if (free & ~own) >> index & 1]
        still = [index for index in share.gpu_indices if free >> index & 1]
        return replace(share, gpu_indices=(*still, *others[: len(share.gpu_indices) - len(still)]))

    def _gpus(self, number: int, request: Request, start: float, end: float) -> tuple[int, ...]:
        """GPUs that are taken now come first: those that are free stay open to jobs that start before."""
        if not request.gpus:
            return ()
        profile = self.profile(number)
        usable = profile.room_between(start, end).gpus & need(request, self._free.nodes[number].view).suits
        now = profile.rooms[0].gpus
        indices = [index for index in range(usable.bit_length()) if usable >> index & 1]
        return tuple(sorted(sorted(indices, key=lambda index: (now >> index & 1, index))[: request.gpus]))

    def view(self, number: int) -> NodeView:
        return self._free.nodes[number].view

    def next_release(self, number: int) -> float:
        """When something on the node ends next, or a reservation does; what does not fit now fits no earlier."""
        if number in self._first_start:
            return self.now
        releases = self.releases.get(number)
        return releases[0][0] if releases else FOREVER

    @property
    def releases(self) -> dict[int, list[Release]]:
        if self._releases is None:
            self._releases = self._by_node()
        return self._releases

    def profile(self, number: int) -> NodeProfile:
        """What will be free on the node of that number."""
        found = self._profiles.get(number)
        if found is None:
            releases = self.releases.get(number, ())
            found = self._profiles[number] = NodeProfile(self._free.nodes[number].view, self.now, releases)
        return found

    def _by_node(self) -> dict[int, list[Release]]:
        """What is held on each node and until when, the earliest end first."""
        releases: dict[int, list[Release]] = {}
        numbers = {node.view.name: node.number for node in self._free.nodes}
        for job in self._running:
            end = latest_end(job, self.now, self._assumed_limit)
            for share in job.shares:
                number = numbers.get(share.node)
                if number is not None:
                    releases.setdefault(number, []).append((end, job.id, share))
        for end, share in self._started:
            releases.setdefault(self._free[share.node].number, []).append((end, -1, share))
        for one in releases.values():
            one.sort(key=MOMENT)
        return releases


class _Search:
    """Looks for the earliest moment at which one request fits, without a look at nodes that cannot be among the first."""

    def __init__(self, book: ReservationTable, request: Request, length: float, kept: Windows) -> None:
        self._book = book
        self._request = request
        self._length = length
        self._kept = kept

    def earliest(self, number: int, after: float) -> float:
        """When the request first fits on the node, not before `after`."""
        view = self._book.view(number)
        wanted = need(self._request, view)
        return self._book.profile(number).earliest(wanted, self._length, after, self._kept.get(number, ()))

    def earliest_of(self, able: Sequence[FreeNode], after: float) -> dict[int, float]:
        """By node, for at least as many as are needed; all that are left out come no earlier than these."""
        hopes = [(self.hope(node), node.number) for node in able]
        times: dict[int, float] = {}
        best: list[float] = []
        # Of those that may all be free by a later moment the last one comes first.
        later = after > self._book.now
        for hope, _, number in sorted((max(after, hope), -hope if later else 0.0, number) for hope, number in hopes):
            if len(best) >= self._request.nodes and hope >= best[self._request.nodes - 1]:
                break
            times[number] = self.earliest(number, after)
            insort(best, times[number])
        return times

    def hope(self, node: FreeNode) -> float:
        return 0.0 if node.fits(self._request) else self._book.next_release(node.number)


def _limited(node: FreeNode, room: Capacity, kept: Container[int]) -> FreeNode:
    """The node as a job sees it that may only have so much of it, and nothing of the GPUs that are kept."""
    limited = node.copy()
    limited.cpus, limited.memory_mb = max(0, room.cpus), max(0, room.memory_mb)
    limited.held = {
        gpu.index: WHOLE_GPU if gpu.index in kept else 1 for gpu in node.view.gpus if not room.gpus >> gpu.index & 1
    }
    return limited
