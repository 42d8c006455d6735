"""Folders as they were: made of a manifest, complete once all that their files hold is there, found by those who may see them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now

from jobs.code import manifest
from jobs.models import CodeSnapshot
from quotas.access import Role, project_roles
from quotas.models import Project
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError
from workers.runtime.code_files import CodeFile

DIFF_BYTES = 256 * 1024
TOUCHED_AFTER = timedelta(hours=1)
KNOWN = "SELECT sha256, id FROM jobs_codeblob WHERE project_id = %s AND sha256 = ANY(string_to_array(%s, ','))"
TOUCH = """
    UPDATE jobs_codeblob SET used_at = statement_timestamp()
    WHERE project_id = %s AND sha256 = ANY(string_to_array(%s, ',')) AND used_at < statement_timestamp() - make_interval(secs => %s)
"""
COMPLETE = """
    UPDATE jobs_codesnapshot SET blobs = string_to_array(%s, ',')::bigint[],
        complete_at = statement_timestamp(), used_at = statement_timestamp()
    WHERE id = %s
"""
"""One parameter, however many hashes: a thousand of them, or an array of as many, take longer than what is asked of them."""
SHARE = "SELECT id FROM jobs_codesnapshot WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
MANIFESTS_KEPT = 4
"""In each process; a snapshot is never changed."""
HIDDEN = ("manifest", "blobs", "diff")
Roles = Mapping[int, str] | None
"""Of a user in the projects that they see, by id; None: whoever may do everything everywhere."""


@dataclass(frozen=True, slots=True)
class GitOrigin:
    """Where the folder's repository stood; `dirty` None: there is none."""

    commit: str = ""
    branch: str = ""
    dirty: bool | None = None
    diff: str = ""

    @property
    def digest(self) -> str:
        return manifest.origin_digest((self.commit, self.branch, self.dirty, self.diff))

    @classmethod
    def of(cls, snapshot: CodeSnapshot) -> "GitOrigin":
        return cls(snapshot.commit, snapshot.branch, snapshot.dirty, snapshot.diff)


def find(user: User, snapshot_id: int, *, to_upload: bool = False) -> CodeSnapshot:
    """Raises NotFoundError where there is none that the user may see, ForbiddenError where they may only look."""
    roles = _roles(user)
    snapshots = CodeSnapshot.objects.select_related("project").defer(*HIDDEN)
    visible = snapshots if roles is None else snapshots.filter(project__in=list(roles))
    found = visible.filter(pk=snapshot_id).first()
    if found is None:
        raise NotFoundError(f"There is no snapshot {snapshot_id}.")
    if to_upload:
        _refuse_viewers(roles, found.project)
    return found


def _roles(user: User) -> Roles:
    return None if user.is_staff else project_roles(user)


def _refuse_viewers(roles: Roles, project: Project) -> None:
    if roles is not None and roles.get(project.pk) == Role.VIEWER:
        raise ForbiddenError(f"You may look at project {project}, but not upload code to it.")


class Created(NamedTuple):
    """A snapshot, whether it is new, and what of it is still to be uploaded."""

    snapshot: CodeSnapshot
    new: bool
    missing: list[str]


def create(*, project: Project, user: User, files: Sequence[CodeFile], origin: GitOrigin) -> Created:
    """The snapshot of these files in this project; complete at once if all of it is there already."""
    _refuse_viewers(_roles(user), project)
    if project.archived:
        raise InvalidError([FieldError("project", f"Project {project} is archived.", "archived")])
    blobs = manifest.blobs(files)
    written = manifest.written(files)
    digest = manifest.joined(manifest.tree_digest(written), origin.digest)
    snapshot, new = CodeSnapshot.objects.defer(*HIDDEN).get_or_create(
        project=project,
        digest=digest,
        defaults={
            "manifest": manifest.pack(written),
            "files": len(files),
            "size": sum(file.size for file in files),
            "created_by": user.get_username(),
            "commit": origin.commit,
            "branch": origin.branch,
            "dirty": origin.dirty,
            "diff": origin.diff,
        },
    )
    lacked = missing(snapshot, blobs)
    if not (new and len(lacked) == len(blobs)):  # of a folder's first upload nothing is there that could go
        _touch(snapshot, blobs)
        lacked = missing(snapshot, blobs)  # again: until it was touched something could
    if snapshot.complete_at is None and not lacked:
        complete(snapshot, blobs)
    return Created(snapshot, new, lacked)


def _touch(snapshot: CodeSnapshot, blobs: Collection[str]) -> None:
    """It is in use, and so is what is there of it already: nobody forgets it while the rest is on its way."""
    if snapshot.complete_at is None:
        with connection.cursor() as cursor:
            cursor.execute(TOUCH, [snapshot.project_id, ",".join(blobs), TOUCHED_AFTER.total_seconds()])
    CodeSnapshot.objects.filter(pk=snapshot.pk, used_at__lt=Now() - TOUCHED_AFTER).update(used_at=Now())


def blobs_of(snapshot: CodeSnapshot) -> Mapping[str, int]:
    """How large each blob is that its files consist of, by hash. Kept for the other bodies of the same upload."""
    return _blobs_of(snapshot.pk, snapshot.digest)


@lru_cache(MANIFESTS_KEPT)
def _blobs_of(snapshot_id: int, digest: str) -> Mapping[str, int]:  # noqa: ARG001  the digest: no other one ever passes for it
    return MappingProxyType(manifest.blobs(_files_of(snapshot_id)))


def files_of(snapshot: CodeSnapshot) -> list[CodeFile]:
    return _files_of(snapshot.pk)


def _files_of(snapshot_id: int) -> list[CodeFile]:
    [packed] = CodeSnapshot.objects.filter(pk=snapshot_id).values_list("manifest", flat=True)
    return manifest.unpack(bytes(packed))


def missing(snapshot: CodeSnapshot, blobs: Collection[str]) -> list[str]:
    """Which of these hashes its project lacks: nobody learns what other projects have."""
    if snapshot.complete_at is not None or not blobs:
        return []
    known = _known(snapshot, blobs)
    return [one for one in blobs if one not in known]


def _known(snapshot: CodeSnapshot, blobs: Collection[str]) -> dict[str, int]:
    """Which of them its project has, and as what."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [snapshot.project_id, ",".join(blobs)])
        return dict(cursor.fetchall())


@transaction.atomic
def complete(snapshot: CodeSnapshot, blobs: Collection[str] | None = None) -> CodeSnapshot:
    """All of it is there: from now on jobs may name it. Raises ConflictError while something is missing."""
    if snapshot.complete_at is not None:
        return snapshot
    wanted = blobs_of(snapshot) if blobs is None else blobs
    # Before they are counted: who forgets blobs looks again at one that was waited for, and a young one is never forgotten.
    _touch(snapshot, wanted)
    found = _known(snapshot, wanted).values()
    if len(found) < len(wanted):
        words = f"{len(wanted) - len(found)} of {len(wanted)} blobs are missing: ask which, and upload them."
        raise ConflictError(words, state="incomplete")
    with connection.cursor() as cursor:
        cursor.execute(COMPLETE, [",".join(map(str, sorted(found))), snapshot.pk])
    snapshot.refresh_from_db(fields=["complete_at"])
    return snapshot


def share(ids: Collection[int], *, locked: bool) -> dict[int, CodeSnapshot]:
    """These snapshots. Locked: nobody forgets one of them until the jobs that name it are there."""
    if locked and ids:
        list(CodeSnapshot.objects.raw(SHARE, [sorted(ids)]))
    return CodeSnapshot.objects.defer(*HIDDEN).in_bulk(ids)


def limits() -> dict[str, float]:
    """What a snapshot may be, so that nobody reads a folder in vain."""
    return {
        "files": settings.CODE_FILES,
        "mb": settings.CODE_MB,
        "part_bytes": manifest.PART_BYTES,
        "diff_bytes": DIFF_BYTES,
    }
