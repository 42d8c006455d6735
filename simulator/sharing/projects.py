"""The projects of a simulation: a tree with weights, nominal quotas and limits on borrowing and lending."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from scheduling.memory_units import MB_IN_A_GB
from scheduling.resources import Request
from scheduling.sharing.admission import admission_faults
from scheduling.snapshot import Limits, LoanLimits, ProjectView, chain_of
from simulator.sharing.files import Fields, amount, read_list
from simulator.trace import SimulationError, TraceError, TraceJob

FIELDS = ("slug", "name", "parent", "weight", "limits", "borrowing_limits", "lending_limits")
AMOUNTS = ("gpus", "cpus", "memory_gb")
COUNTS = ("running_jobs",)


class ProjectBy(StrEnum):
    """Which field of a trace names the project of a job."""

    GROUP = "group"
    USER = "user"


def read_projects(path: Path) -> tuple[ProjectView, ...]:
    """The projects of a list in JSON, with the fields of REST. Raises SimulationError for what is no tree."""
    rows = {row: _project(row) for row in read_list(path)}
    known: dict[str, ProjectView] = {}
    for row, one in rows.items():
        if one.slug in known:
            raise row.wrong("slug", f"is {one.slug}: there is another project of that name.")
        known[one.slug] = one
    for row, one in rows.items():
        if one.parent is not None and one.parent not in known:
            raise row.wrong("parent", f"is {one.parent}: there is no such project.")
        if any(above.parent == one.slug for above in chain_of(one.slug, known)):
            raise row.wrong("parent", f"is {one.parent}: that lies below {one.slug}.")
    if not known:
        raise SimulationError(f"{path} names no project.")
    return tuple(known.values())


def _project(row: Fields) -> ProjectView:
    row.only(FIELDS)
    slug = row.text("slug")
    if not slug:
        raise row.wrong("slug", "is missing: write the name that the trace has for the project.")
    limits, borrowing, lending = (row.within(name) for name in ("limits", "borrowing_limits", "lending_limits"))
    limits.only((*AMOUNTS, *COUNTS))
    own = Limits(
        limits.whole("gpus"),
        limits.whole("cpus"),
        _memory_mb(limits),
        limits.whole("running_jobs"),
        borrowing=_loans(borrowing),
        lending=_loans(lending),
    )
    return ProjectView(
        slug,
        row.text("parent") or None,
        None if own == Limits() else own,
        float(row.read("weight", amount, "a number, 0 or more", amount(1))),
    )


def _loans(fields: Fields) -> LoanLimits:
    fields.only(AMOUNTS)
    return LoanLimits(fields.whole("gpus"), fields.whole("cpus"), _memory_mb(fields))


def _memory_mb(fields: Fields) -> int | None:
    found = fields.read("memory_gb", amount, "a number, 0 or more", None)
    return None if found is None else int(found * MB_IN_A_GB)


class Projects:
    """Which project each job of a trace belongs to. It has to be one of the file's."""

    def __init__(self, views: Sequence[ProjectView], by: ProjectBy = ProjectBy.GROUP) -> None:
        self.views = tuple(views)
        self._by = by
        self._known: Mapping[str, ProjectView] = {one.slug: one for one in views}

    def of(self, job: TraceJob) -> str:
        return job.group if self._by is ProjectBy.GROUP else job.user

    def check(self, job: TraceJob, request: Request, source: str) -> None:
        """Raises TraceError for a job of a project that the file does not name, or whose quota is too small for it."""
        slug = self.of(job)
        if slug not in self._known:
            told = f"its {self._by} {slug!r} is none of the projects" if slug else f"it names no {self._by}"
            known = ", ".join(self._known)
            raise TraceError(source, job.line, f"job {job.id} belongs to no project: {told}. Known are: {known}.")
        if told := self.refuses(job, request):
            raise TraceError(source, job.line, f"job {job.id} can never start: {told}")

    def refuses(self, job: TraceJob, request: Request) -> str:
        """Why quotas never let the job start, as at its submission; empty if they do, or its project is not known."""
        slug = self.of(job)
        chain = chain_of(slug, self._known) if slug in self._known else ()
        return " ".join(fault.message for fault in admission_faults(request, nodes=(), chain=chain))
