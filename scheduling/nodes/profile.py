"""What will be free on a node from now on: a step for each moment at which something there ends or begins."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple, TypeAlias

from scheduling.nodes.feasibility import suits
from scheduling.resources import Request
from scheduling.snapshot import Allocation, NodeView

FOREVER = float("inf")
Release: TypeAlias = tuple[float, int, Allocation]
"""When a share is given back at the latest, by whom, and what."""
Window = tuple[float, float]
"""From when to when a node is kept for others."""


class Capacity(NamedTuple):
    """What is free on a node: CPU cores, memory in MB, and GPUs as bits (bit 3 is the GPU of index 3)."""

    cpus: int
    memory_mb: int
    gpus: int

    def intersection(self, other: "Capacity") -> "Capacity":
        """What is free in both."""
        if self.cpus <= other.cpus and self.memory_mb <= other.memory_mb and not self.gpus & ~other.gpus:
            return self
        return Capacity(min(self.cpus, other.cpus), min(self.memory_mb, other.memory_mb), self.gpus & other.gpus)

    def minus(self, taken: "Capacity") -> "Capacity":
        return Capacity(self.cpus - taken.cpus, self.memory_mb - taken.memory_mb, self.gpus & ~taken.gpus)


new_room: Callable[[tuple[int, int, int]], Capacity] = partial(tuple.__new__, Capacity)
"""A room of one triple: a profile makes one for each job that runs, at a third of the cost of naming its parts."""


EMPTY = Capacity(0, 0, 0)


class Need(NamedTuple):
    """What a job takes on a node of one kind: `suits` are the bits of the GPUs there that would do."""

    cpus: int
    memory_mb: int
    gpus: int
    suits: int

    def fits(self, room: Capacity) -> bool:
        return (
            self.cpus <= room.cpus
            and self.memory_mb <= room.memory_mb
            and (not self.gpus or (room.gpus & self.suits).bit_count() >= self.gpus)
        )


@lru_cache(maxsize=4096)
def bits(indices: tuple[int, ...]) -> int:
    """GPU indices as bits. A fleet has few different sets of them, and a pass asks thousands of times."""
    mask = 0
    for index in indices:
        mask |= 1 << index
    return mask


def need(request: Request, view: NodeView) -> Need:
    good = bits(tuple([gpu.index for gpu in view.gpus if suits(request, gpu)])) if request.gpus else 0
    return Need(request.cpus, request.memory_mb, request.gpus, good)


def held_by(share: Allocation) -> Capacity:
    return Capacity(share.amount.cpus, share.amount.memory_mb, bits(share.gpu_indices))


class NodeProfile:
    """The steps of one node. The last step lasts for ever.

    `releases` are the ends of what runs there, the earliest first. Room is worked out from what is still held rather
    than added up, so a node that came back smaller than what runs on it is never given more than it has.
    """

    __slots__ = ("_lows", "rooms", "times")

    def __init__(self, view: NodeView, now: float, releases: Sequence[Release]) -> None:
        all_gpus = gpus = bits(tuple([gpu.index for gpu in view.gpus])) if view.gpus else 0
        cpus, memory_mb = view.cpus, view.memory_mb
        for _, _, share in releases:
            cpus -= share.amount.cpus
            memory_mb -= share.amount.memory_mb
            if share.gpu_indices:
                gpus &= ~bits(share.gpu_indices)
        self.times = [now]
        self.rooms = [Capacity(max(0, cpus), max(0, memory_mb), gpus)]
        for end, _, share in releases:
            cpus += share.amount.cpus
            memory_mb += share.amount.memory_mb
            if share.gpu_indices:
                gpus |= bits(share.gpu_indices) & all_gpus
            if end > self.times[-1]:
                self.times.append(end)
                self.rooms.append(EMPTY)
            left = new_room((cpus if cpus > 0 else 0, memory_mb if memory_mb > 0 else 0, gpus))  # noqa: FURB136 - as in free_nodes.py
            self.rooms[-1] = left
        self._lows: list[Capacity] = []

    def room_until(self, end: float) -> Capacity:
        """What is free from now to `end` without a break."""
        at = bisect_left(self.times, end) - 1
        lows = self._lows
        if at >= len(lows):  # worked out only as far as somebody asks
            low = lows[-1] if lows else self.rooms[0]
            for room in self.rooms[len(lows) : at + 1]:
                low = low.intersection(room)
                lows.append(low)
        return lows[at] if at > 0 else self.rooms[0]

    def room_between(self, start: float, end: float) -> Capacity:
        """What is free from `start` to `end` without a break."""
        first = max(0, bisect_right(self.times, start) - 1)
        low = self.rooms[first]
        for at in range(first + 1, bisect_left(self.times, end)):
            low = low.intersection(self.rooms[at])
        return low

    def earliest(self, wanted: Need, length: float, after: float, kept: Sequence[Window] = ()) -> float:
        """The first moment, not before `after`, from which the need fits for `length` seconds; FOREVER if there is none.

        `kept` are windows in which the node is kept for others.
        """
        start = after
        while True:
            late = self._first_obstacle(wanted, start, start + length)
            late = max([late, *(window[1] for window in kept if window[0] < start + length and start < window[1])])
            if late <= start:
                return start
            if late == FOREVER:
                return FOREVER
            start = late

    def _first_obstacle(self, wanted: Need, start: float, end: float) -> float:
        """When the last step in [start, end) that is too small is over; `start` itself if there is none."""
        last = len(self.times) - 1
        first = max(0, bisect_right(self.times, start) - 1)
        for at in range(min(last, bisect_left(self.times, end) - 1), first - 1, -1):
            if not wanted.fits(self.rooms[at]):
                return self.times[at + 1] if at < last else FOREVER
        return start

    def allocate(self, start: float, end: float, taken: Capacity) -> None:
        """From `start` to `end` so much less is free."""
        for moment in (start, end):
            self._cut(moment)
        for at in range(bisect_left(self.times, start), bisect_left(self.times, end)):
            self.rooms[at] = self.rooms[at].minus(taken)
        self._lows = []

    def _cut(self, moment: float) -> None:
        """Makes `moment` the beginning of a step."""
        at = bisect_left(self.times, moment)
        if moment != FOREVER and (at == len(self.times) or self.times[at] != moment) and at > 0:
            self.times.insert(at, moment)
            self.rooms.insert(at, self.rooms[at - 1])
