"""What a job used of what it held, over all its attempts that are over: by it users size their next request."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Max

from jobs.models import Attempt, Job
from scheduling import memory_units

MB = memory_units.MB_IN_A_GB
JOULES_IN_A_WATT_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class GpuEfficiency:
    """What the GPUs of a job did, and what it all drew; None: nobody measured it."""

    gpu_seconds_measured: float | None
    gpu_seconds_busy: float | None
    gpu_seconds_idle: float | None
    gpu_peak_memory_mb: int | None
    gpu_joules: float | None
    cpu_joules: float | None
    energy_partial: bool | None
    steps: float | None

    @property
    def gpu_percent(self) -> float | None:
        return _percent(self.gpu_seconds_busy, self.gpu_seconds_measured or 0)

    @property
    def joules(self) -> float | None:
        return _sum((self.gpu_joules, self.cpu_joules))

    def as_data(self) -> dict[str, Any]:
        joules = self.joules
        return {
            **asdict(self),
            "gpu_percent": self.gpu_percent,
            "joules": joules,
            "watt_hours": None if joules is None else round(joules / JOULES_IN_A_WATT_HOUR, 3),
            "steps_per_kilojoule": round(1000 * self.steps / joules, 6) if self.steps and joules else None,
        }


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Seconds and megabytes that were held and used; None: no node has told what was used yet."""

    run_seconds: float
    cpu_seconds_held: float
    cpu_seconds: float | None
    memory_mb: int
    peak_memory_mb: int | None
    gpu_seconds_held: float
    gpus: GpuEfficiency

    @property
    def cpu_percent(self) -> float | None:
        return _percent(self.cpu_seconds, self.cpu_seconds_held)

    @property
    def memory_percent(self) -> float | None:
        return _percent(self.peak_memory_mb, self.memory_mb)

    def as_data(self) -> dict[str, Any]:
        """With what follows from it."""
        own = {name: value for name, value in asdict(self).items() if name != "gpus"}
        follows = {"cpu_percent": self.cpu_percent, "memory_percent": self.memory_percent}
        return {**own, **follows, **self.gpus.as_data()}


def efficiency_of(job: Job) -> Efficiency:
    """Of attempts whose use is known: what a node that was lost has seen went with it."""
    begun = list(Attempt.objects.filter(job=job, started_at__isnull=False).annotate(step=Max("report_mark__step")))
    found = [one for one in begun if one.cpu_seconds is not None]
    ran = sum((one.ended_at - one.started_at).total_seconds() for one in found if one.started_at and one.ended_at)
    peaks = [one.peak_memory_mb for one in found if one.peak_memory_mb is not None]
    return Efficiency(
        run_seconds=ran,
        cpu_seconds_held=ran * job.cpus * job.nodes,
        cpu_seconds=sum(one.cpu_seconds or 0.0 for one in found) if found else None,
        memory_mb=job.memory_mb,
        peak_memory_mb=max(peaks, default=None),
        gpu_seconds_held=ran * job.gpus * job.nodes,
        gpus=_of_gpus(found, lost=any(one.ended_at and one.cpu_seconds is None for one in begun)),
    )


def _of_gpus(attempts: list[Any], *, lost: bool) -> GpuEfficiency:
    """`lost`: there were more, of which nothing is known. The last step counts: what was done again after a stop was work once, and energy twice."""
    told = [one for one in attempts if (one.gpu_joules, one.cpu_joules) != (None, None)]
    return GpuEfficiency(
        gpu_seconds_measured=_sum(one.gpu_measured_seconds for one in attempts),
        gpu_seconds_busy=_sum(one.gpu_busy_seconds for one in attempts),
        gpu_seconds_idle=_sum(one.gpu_idle_seconds for one in attempts),
        gpu_peak_memory_mb=max((one.gpu_peak_memory_mb for one in attempts if one.gpu_peak_memory_mb), default=None),
        gpu_joules=_sum(one.gpu_joules for one in attempts),
        cpu_joules=_sum(one.cpu_joules for one in attempts),
        energy_partial=lost or any(one.energy_partial is not False for one in attempts) if told else None,
        steps=max((one.step for one in attempts if one.step is not None), default=None),
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
    if found.gpus.gpu_percent is not None:
        parts.append(f"Its GPUs worked {found.gpus.gpu_percent:g} % of the time.")
    return " ".join(parts)


def _percent(used: float | None, held: float) -> float | None:
    return None if used is None or not held else round(100 * used / held, 1)


def _sum(figures: Iterable[float | None]) -> float | None:
    """Of what is known; None if nothing is."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None
