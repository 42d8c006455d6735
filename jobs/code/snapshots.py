"""Folders as they were: made of a manifest, complete once all that their files hold is there, found by those who may see them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.code import manifest
from jobs.models import CodeBlob, CodeSnapshot
from quotas.access import Role, project_roles
from quotas.models import Project
from scheduling.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError
from workers.runtime.code_files import CodeFile

DIFF_BYTES = 256 * 1024
TOUCHED_AFTER = timedelta(hours=1)
SHARE = "SELECT id FROM jobs_codesnapshot WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
HIDDEN = ("manifest", "blobs", "diff")


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


def visible(user: User) -> QuerySet[CodeSnapshot]:
    snapshots = CodeSnapshot.objects.select_related("project").defer(*HIDDEN)
    return snapshots if user.is_staff else snapshots.filter(project__in=list(project_roles(user)))


def find(user: User, snapshot_id: int, *, to_upload: bool = False) -> CodeSnapshot:
    """Raises NotFoundError where there is none that the user may see, ForbiddenError where they may only look."""
    found = visible(user).filter(pk=snapshot_id).first()
    if found is None:
        raise NotFoundError(f"There is no snapshot {snapshot_id}.")
    if to_upload:
        _refuse_viewers(user, found.project)
    return found


def _refuse_viewers(user: User, project: Project) -> None:
    if not user.is_staff and project_roles(user).get(project.pk) == Role.VIEWER:
        raise ForbiddenError(f"You may look at project {project}, but not upload code to it.")


def create(*, project: Project, user: User, files: Sequence[CodeFile], origin: GitOrigin) -> tuple[CodeSnapshot, bool]:
    """The snapshot of these files in this project, and whether it is new; complete at once if all of it is there already."""
    _refuse_viewers(user, project)
    if project.archived:
        raise InvalidError([FieldError("project", f"Project {project} is archived.", "archived")])
    blobs = manifest.blobs(files)
    digest = manifest.joined(manifest.tree_digest(files), origin.digest)
    snapshot, new = CodeSnapshot.objects.defer(*HIDDEN).get_or_create(
        project=project,
        digest=digest,
        defaults={
            "manifest": manifest.pack(files),
            "files": len(files),
            "size": sum(file.size for file in files),
            "created_by": user.get_username(),
            "commit": origin.commit,
            "branch": origin.branch,
            "dirty": origin.dirty,
            "diff": origin.diff,
        },
    )
    _touch(snapshot, blobs)
    if snapshot.complete_at is None and not missing(snapshot, blobs):
        complete(snapshot, blobs)
    return snapshot, new


def _touch(snapshot: CodeSnapshot, blobs: Collection[str]) -> None:
    """It is in use, and so is what is there of it already: nobody forgets it while the rest is on its way."""
    if snapshot.complete_at is None:
        old = CodeBlob.objects.filter(project=snapshot.project_id, sha256__in=blobs, used_at__lt=Now() - TOUCHED_AFTER)
        old.update(used_at=Now())
    CodeSnapshot.objects.filter(pk=snapshot.pk, used_at__lt=Now() - TOUCHED_AFTER).update(used_at=Now())


def blobs_of(snapshot: CodeSnapshot) -> dict[str, int]:
    return manifest.blobs(files_of(snapshot))


def files_of(snapshot: CodeSnapshot) -> list[CodeFile]:
    [packed] = CodeSnapshot.objects.filter(pk=snapshot.pk).values_list("manifest", flat=True)
    return manifest.unpack(bytes(packed))


def missing(snapshot: CodeSnapshot, blobs: Collection[str]) -> list[str]:
    """Which of these hashes its project lacks: nobody learns what other projects have."""
    if snapshot.complete_at is not None or not blobs:
        return []
    rows = CodeBlob.objects.filter(project=snapshot.project_id, sha256__in=blobs)
    known = set(rows.values_list("sha256", flat=True))
    return [one for one in blobs if one not in known]


@transaction.atomic
def complete(snapshot: CodeSnapshot, blobs: Collection[str] | None = None) -> CodeSnapshot:
    """All of it is there: from now on jobs may name it. Raises ConflictError while something is missing."""
    if snapshot.complete_at is not None:
        return snapshot
    wanted = blobs_of(snapshot) if blobs is None else blobs
    # Before they are counted: who forgets blobs looks again at one that was waited for, and a young one is never forgotten.
    _touch(snapshot, wanted)
    found = list(CodeBlob.objects.filter(project=snapshot.project_id, sha256__in=wanted).values_list("pk", flat=True))
    if len(found) < len(wanted):
        words = f"{len(wanted) - len(found)} of {len(wanted)} blobs are missing: ask which, and upload them."
        raise ConflictError(words, state="incomplete")
    CodeSnapshot.objects.filter(pk=snapshot.pk).update(blobs=sorted(found), complete_at=Now(), used_at=Now())
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
