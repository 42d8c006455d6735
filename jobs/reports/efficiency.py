"""What a job used of what it held, over all its attempts that are over: by it users size their next request."""

from dataclasses import asdict, dataclass
from typing import Any

from jobs.models import Attempt, Job
from scheduling import memory_units

MB = memory_units.MB_IN_A_GB


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Seconds and megabytes that were held and used; None: no node has told what was used yet."""

    run_seconds: float
    cpu_seconds_held: float
    cpu_seconds: float | None
    memory_mb: int
    peak_memory_mb: int | None
    gpu_seconds_held: float

    @property
    def cpu_percent(self) -> float | None:
        return _percent(self.cpu_seconds, self.cpu_seconds_held)

    @property
    def memory_percent(self) -> float | None:
        return _percent(self.peak_memory_mb, self.memory_mb)

    def as_data(self) -> dict[str, Any]:
        """With what follows from it."""
        return {**asdict(self), "cpu_percent": self.cpu_percent, "memory_percent": self.memory_percent}


def efficiency_of(job: Job) -> Efficiency:
    """Of attempts whose use is known: what a node that was lost has seen went with it."""
    known = Attempt.objects.filter(job=job, started_at__isnull=False, cpu_seconds__isnull=False)
    found = list(known.values_list("started_at", "ended_at", "cpu_seconds", "peak_memory_mb"))
    ran = sum((ended - started).total_seconds() for started, ended, *_ in found if started and ended)
    peaks = [peak for *_, peak in found if peak is not None]
    return Efficiency(
        run_seconds=ran,
        cpu_seconds_held=ran * job.cpus * job.nodes,
        cpu_seconds=sum(used or 0.0 for _, _, used, _ in found) if found else None,
        memory_mb=job.memory_mb,
        peak_memory_mb=max(peaks, default=None),
        gpu_seconds_held=ran * job.gpus * job.nodes,
    )


def sentence_of(job: Job, found: Efficiency) -> str:
    """In words, such as "Of 8 CPUs 1.5 worked on average (19 %). Asked for 32 GB, used 3 GB at most (9 %)."."""
    if found.cpu_seconds is None:
        return "What it used is known once an attempt of it is over."
    parts = []
    if found.run_seconds:
        cpus, worked = job.cpus * job.nodes, found.cpu_seconds / found.run_seconds
        parts.append(
            f"Of {cpus} CPU{'s' if cpus > 1 else ''} {worked:.2g} worked on average ({found.cpu_percent:g} %)."
        )
    if found.peak_memory_mb is not None:
        peak = f"{found.peak_memory_mb / MB:.2g}"
        asked = f"Asked for {job.memory_mb / MB:g} GB, used" if job.memory_mb else "It used"
        share = f" ({found.memory_percent:g} %)" if found.memory_percent is not None else ""
        parts.append(f"{asked} {peak} GB at most{share}.")
    return " ".join(parts)


def _percent(used: float | None, held: float) -> float | None:
    return None if used is None or not held else round(100 * used / held, 1)
