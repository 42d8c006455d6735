"""Dependencies between the jobs of a call and their rows: who can be named, and what is written."""

from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from jobs.models import Job
from jobs.submission import needs
from jobs.submission.needs import Author, Key, Resolved
from quotas.models import Project

LARGEST = 2**63 - 1
# Until the call has committed nobody deletes them; they may run and end meanwhile.
KEEP = "SELECT id FROM jobs_job WHERE id = ANY(%s) AND project_id = ANY(%s) ORDER BY id FOR KEY SHARE"
LOOK = "SELECT id FROM jobs_job WHERE id = ANY(%s) AND project_id = ANY(%s)"
WRITE = """
    INSERT INTO jobs_jobdependency (job_id, needs_id, after)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[])
"""


def resolve(
    authors: Sequence[Author], *, projects: Collection[Project], visible: Collection[int], locked: bool
) -> Resolved:
    """Whom the jobs of a call need. They may name what is in the projects `visible`, and keys of their own projects."""
    written = [need for author in authors for need in author.needs]
    numbers = {need.number for need in written if need.number is not None and need.number <= LARGEST}
    words = {need.job for need in written if isinstance(need.job, str)}
    if not written:
        return Resolved(tuple({} for _ in authors), {})
    taken = _by_key(words | {author.key for author in authors if author.key}, projects) if words else {}
    return needs.resolve(authors, _existing(numbers, visible, locked=locked), taken)


def _existing(numbers: Collection[int], visible: Collection[int], *, locked: bool) -> frozenset[int]:
    if not numbers:
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(KEEP if locked else LOOK, [list(numbers), list(visible)])
        return frozenset(number for (number,) in cursor.fetchall())


def _by_key(keys: Collection[str], projects: Collection[Project]) -> dict[Key, int]:
    rows = Job.objects.filter(project__in=[project.pk for project in projects], submission_key__in=keys)
    return {(slug, key): pk for slug, key, pk in rows.values_list("project__slug", "submission_key", "pk")}


def write(jobs: Mapping[int, Job], resolved: Resolved) -> None:
    """The dependencies of these jobs, by their places in the call, in one statement."""
    links = [
        (job.pk, target if target >= 0 else jobs[needs.place(target)].pk, str(after))
        for index, job in jobs.items()
        for target, after in resolved.needs[index].items()
    ]
    if links:
        with connection.cursor() as cursor:
            cursor.execute(WRITE, [list(column) for column in zip(*links, strict=True)])
