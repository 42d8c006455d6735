"""The code that jobs of a call bring along: snapshots of their own project that are whole, and a place inside of them."""

from collections.abc import Mapping, Sequence

from jobs.code import snapshots
from jobs.code.manifest import path_fault
from jobs.models import CodeSnapshot
from jobs.submission.job_spec import JobSpec
from scheduling.errors import FieldError


def find(specs: Sequence[JobSpec], *, locked: bool) -> dict[int, CodeSnapshot]:
    """Those that the specs name and that exist. Locked: nobody forgets them until the jobs are in."""
    return dict(snapshots.share({spec.snapshot for spec in specs if spec.snapshot}, locked=locked))


def faults(spec: JobSpec, known: Mapping[int, CodeSnapshot], project_id: int | None) -> list[FieldError]:
    """What is wrong with the code that the job brings along. Another project's snapshot does not exist for it."""
    if spec.snapshot is None:
        return []
    found = known.get(spec.snapshot)
    if found is None or found.project_id != project_id:
        return [FieldError("snapshot", f"There is no snapshot {spec.snapshot} in project {spec.project}.", "unknown")]
    if found.complete_at is None:
        words = f"Snapshot {spec.snapshot} is not uploaded yet: some of its files are missing."
        return [FieldError("snapshot", words, "incomplete")]
    if spec.working_dir and path_fault(spec.working_dir):
        words = "Must be a folder inside the snapshot, such as src: not from the root, no . or .. in it."
        return [FieldError("working_dir", words, "outside")]
    return []
