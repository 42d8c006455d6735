"""How much the GPUs of one command work and what energy they use, summed up from looks at their load."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LONGEST_LOOK = 60.0
"""Of a longer time without a look, as while the machine slept, nobody knows what they did."""
IDLE_PERCENT = 5
"""Of its time: a GPU that works less is idle. What only holds its memory, or draws a desktop, uses less."""


@dataclass
class GpuUse:
    """Times are in seconds on any clock that only goes forward; the sums are seconds of one GPU, and joules of all.

    Of a GPU of which the command holds a part, `share` of the whole one's energy counts.
    """

    held: int
    share: float = 1.0
    measured: float = 0.0
    busy: float = 0.0
    idle: float = 0.0
    peak_memory_mb: int | None = None  # of all its GPUs at once
    joules: float | None = None
    partial: bool = False  # they used more than is in `joules`
    active_at: float | None = (
        None  # the last look at which one of them worked, or the first one after a time without any
    )
    measured_at: float | None = None
    _looked_at: float | None = None
    _counters: dict[int, int] = field(default_factory=dict)  # in mJ, by GPU, at the last look
    _energy_at: dict[int, float] = field(default_factory=dict)

    def look(self, now: float, loads: Sequence[Mapping[str, int]], *, excused: bool = False) -> None:
        """`loads` are those of its GPUs that tell, as `workers.hardware.gpus.load_of` says them; the others are not measured.

        `excused`: they may stand idle, and count as active.
        """
        before, self._looked_at = self._looked_at, now
        known = before is not None and 0 < now - before <= LONGEST_LOOK
        seconds = now - before if before is not None and known else 0.0
        self._count_work(now, seconds, [load["utilisation"] for load in loads if "utilisation" in load], excused)
        memory = [load["memory_used_mb"] for load in loads if "memory_used_mb" in load]
        if memory:
            self.peak_memory_mb = max(self.peak_memory_mb or 0, sum(memory))
        for load in loads:
            self._count_energy(now, seconds, load, first=before is None)

    def energy(self, now: float) -> tuple[float | None, bool]:
        """Joules until now, None if nobody told any; and whether that is less than all."""
        told = [at for at in self._energy_at.values() if now - at <= LONGEST_LOOK]
        joules = None if self.joules is None else self.joules * self.share
        return joules, self.partial or len(told) < self.held

    def _count_work(self, now: float, seconds: float, percents: Sequence[int], excused: bool) -> None:
        self.measured += seconds * len(percents)
        self.busy += seconds * sum(percents) / 100
        self.idle += seconds * sum(percent < IDLE_PERCENT for percent in percents)
        if not percents or len(percents) < self.held:
            return  # of one that tells nothing nobody can say that it idles
        # After a time in which nobody looked they are taken to have worked until now: idle time is never guessed.
        unseen = self.measured_at is None or now - self.measured_at > LONGEST_LOOK
        self.measured_at = now
        if unseen or excused or max(percents) >= IDLE_PERCENT:
            self.active_at = now

    def _count_energy(self, now: float, seconds: float, load: Mapping[str, int], *, first: bool) -> None:
        """By the GPU's own counter, which goes on while nobody looks; without one, by its power at each look."""
        gpu = load.get("index", 0)
        if "energy_mj" in load:
            before = self._counters.get(gpu)
            self._counters[gpu] = load["energy_mj"]
            if before is not None and load["energy_mj"] >= before:
                self.joules = (self.joules or 0.0) + (load["energy_mj"] - before) / 1000
            elif not first:  # it told nothing before, or its driver was loaded anew
                self.partial = True
        elif "power_mw" in load:
            if seconds:
                self.joules = (self.joules or 0.0) + seconds * load["power_mw"] / 1000
            elif not first:
                self.partial = True
        else:
            return
        self._energy_at[gpu] = now

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "GpuUse":
        """The inverse of `as_data`, through JSON too; raises TypeError, ValueError or KeyError when it is not such data."""
        by_gpu = {name: {int(gpu): value for gpu, value in data[name].items()} for name in ("_counters", "_energy_at")}
        return cls(**{**data, **by_gpu})
