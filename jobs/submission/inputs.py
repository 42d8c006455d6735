"""Outputs of other jobs that a job finds when it begins: who may name which, and for whose end it waits because of that."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from jobs.code.manifest import path_fault
from jobs.models import Attempt, Job, KeptFile
from jobs.outputs import reading
from jobs.submission.job_spec import Input, JobSpec
from jobs.submission.needs import Need
from scheduling.errors import FieldError
from scheduling.lifecycle import TERMINAL_STATES

GONE = {
    "none": "It has left nothing that is kept.",
    "lost": "Its node never uploaded what it has left.",
    "forgotten": "What it had left was kept for its time, and is forgotten.",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A job whose outputs somebody wants."""

    ended: bool
    attempt: Attempt | None
    state: str

    def holds(self, path: str) -> bool:
        """Whether it has left this file or folder; while nobody can know, it may."""
        if not self.ended or self.state == "coming":
            return True
        files = reading.files_of(self.attempt).filter(kind=KeptFile.Kind.OUTPUT, state=KeptFile.State.KEPT)
        return files.filter(Q(path=path) | Q(path__startswith=f"{path}/") if path else Q()).exists()


def find(specs: Sequence[JobSpec], visible: Collection[int]) -> dict[int, Source]:
    """Those whom the specs name, in these projects."""
    wanted = {one.job for spec in specs for one in spec.inputs}
    found = {}
    for job in Job.objects.filter(pk__in=wanted, project__in=list(visible)) if wanted else ():
        attempt = reading.attempt_of(job, None)
        found[job.pk] = Source(job.state in TERMINAL_STATES, attempt, reading.summary(attempt).state)
    return found


def with_needs(specs: Sequence[JobSpec], known: Mapping[int, Source]) -> list[JobSpec]:
    """Each depends on those of its sources that have not ended, beside whom it names itself."""
    full = []
    for spec in specs:
        named = {one.number for one in spec.author.needs}
        going = {one.job for one in spec.inputs if one.job in known and not known[one.job].ended} - named
        full.append(replace(spec, depends_on=(*spec.depends_on, *map(Need, sorted(going)))) if going else spec)
    return full


def faults(spec: JobSpec, known: Mapping[int, Source]) -> Iterator[FieldError]:
    """What is wrong with what it wants to find."""
    places: dict[str, int] = {}
    for at, one in enumerate(spec.inputs):
        field = f"inputs[{at}]"
        wrong = [(name, path_fault(value)) for name, value in (("path", one.path), ("to", one.to)) if value]
        yield from (FieldError(f"{field}.{name}", fault) for name, fault in wrong if fault)
        if any(fault for _, fault in wrong):
            continue
        yield from _source_faults(one, field, known.get(one.job))
        if other := _colliding(one.place, places):
            yield FieldError(
                f"{field}.to", f"Lies where inputs[{places[other]}] does: {other!r}. Give them names with to."
            )
        places.setdefault(one.place, at)


def _source_faults(one: Input, field: str, source: Source | None) -> Iterator[FieldError]:
    if source is None:
        yield FieldError(f"{field}.job", f"There is no job {one.job} in your projects.", "unknown")
    elif source.ended and source.state in GONE:
        yield FieldError(f"{field}.job", f"Job {one.job} is over. {GONE[source.state]}", "gone")
    elif not source.holds(one.path):
        words = f"Job {one.job} has left nothing called {one.path!r} that is kept."
        yield FieldError(f"{field}.path", words, "unknown")


def _colliding(place: str, places: Mapping[str, int]) -> str:
    """The one at this place, above or below it."""
    return next(
        (one for one in places if one == place or place.startswith(f"{one}/") or one.startswith(f"{place}/")), ""
    )
