"""Which processor cores belong to which command of this node, so that none slows down another.

Only where the agent offers exactly the cores that it may use, and no other agent gives out one of them: a node that
declares more than there is shares them, and two agents know nothing of each other's commands.
"""

import os
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")
CLAIMED = b"\0trainyard-core-%d"  # an abstract address for each: it is free again with the end of its process
Place = tuple[int, int, int]


class Cores:
    """Gives out cores; safe to call from any thread. `places` are (socket, core, thread) of each."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._free = sorted(places)
        self._all = {place[2]: place for place in self._free}
        self._lock = threading.Lock()

    def allocate(self, count: int) -> tuple[int, ...]:
        """So many cores, neighbours on one socket where one has room; none where there are not enough."""
        with self._lock:
            chosen = self._choose(count)
            self._free = [place for place in self._free if place not in chosen]
        return tuple(sorted(thread for _, _, thread in chosen))

    def _choose(self, count: int) -> Sequence[Place]:
        if count > len(self._free):
            return ()
        sockets: dict[int, list[Place]] = defaultdict(list)
        for place in self._free:
            sockets[place[0]].append(place)
        roomy = [places for places in sockets.values() if len(places) >= count]
        return min(roomy, key=len, default=self._free)[:count]

    def keep(self, cores: Iterable[int]) -> None:
        """A command that an earlier agent started has these."""
        with self._lock:
            self._free = [place for place in self._free if place[2] not in set(cores)]

    def release(self, cores: Iterable[int]) -> None:
        with self._lock:
            known = (self._all[core] for core in cores if core in self._all)
            self._free = sorted({*self._free, *known})


class Claim:
    """The word that some cores are given out by this agent and no other; it lasts as long as this object."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def of(self, cores: Iterable[int]) -> bool:
        """Whether all of them are ours now; if one is another agent's, none is."""
        for core in cores:
            held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._held.append(held)
            try:
                held.bind(CLAIMED % core)
            except OSError:
                self.close()
                return False
        return True

    def close(self) -> None:
        while self._held:
            self._held.pop().close()


def of_this_machine(offered: int, claim: Claim) -> Cores:
    """The cores to give out where the agent offers `offered` CPUs; none where they cannot be told apart."""
    mine = os.sched_getaffinity(0)
    if offered != len(mine) or not claim.of(mine):
        return Cores()
    return Cores(place_of(cpu) for cpu in mine)


def place_of(cpu: int, cpus: Path = CPUS) -> Place:
    """Where it sits: two threads of one core are neighbours, however the system numbers them."""
    topology = cpus / f"cpu{cpu}" / "topology"
    return number(topology / "physical_package_id"), number(topology / "core_id"), cpu


def number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
