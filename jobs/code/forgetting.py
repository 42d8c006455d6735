"""Forgets code: snapshots that no job and no schedule names any more and nobody has uploaded for days, then blobs that no snapshot needs.

Safe to interrupt anywhere and beside everything else. A job that is just being submitted holds its snapshot; who uploads
has just said so by `used_at`. Objects go after the rows that say what is in them, and their own rows last.
"""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BigIntegerField, Exists, OuterRef, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Now

from jobs.code import blobs
from jobs.models import CodeBlob, CodePack, CodeSnapshot, Job, JobSchedule
from jobs.state import alerts

ALERT = "code retention"
AT_ONCE = 200
UNFINISHED = timedelta(days=1)
"""An upload that has written its object and no rows after so long never will."""
FORGET_BLOBS = """
    DELETE FROM jobs_codeblob AS blob USING jobs_codepack AS pack
    WHERE pack.id = blob.pack_id AND blob.project_id = %s
    AND blob.used_at < statement_timestamp() - make_interval(days => CASE pack.holds WHEN 'outputs' THEN 1 ELSE %s END)
    AND NOT EXISTS (
        SELECT 1 FROM (
            SELECT unnest(blobs) AS id FROM jobs_codesnapshot WHERE project_id = blob.project_id
        ) AS needed WHERE needed.id = blob.id
    ) AND NOT EXISTS (
        SELECT 1 FROM (
            SELECT unnest(file.blobs) AS id FROM jobs_keptfile AS file
            JOIN jobs_keptoutputs AS kept ON kept.placement_id = file.outputs_id
            JOIN jobs_attempt AS attempt ON attempt.id = kept.attempt_id
            JOIN jobs_job AS job ON job.id = attempt.job_id
            WHERE job.project_id = blob.project_id
        ) AS needed WHERE needed.id = blob.id
    )
"""
"""What brought outputs is done within a day, or asks again what is there. A snapshot that is not complete needs none yet: what it found there is young, or the upload is over."""


def prune() -> int:
    """Forget what nobody needs; returns how many snapshots that were."""
    forgotten = 0
    while some := _forget_snapshots():
        forgotten += some
    for project in CodeBlob.objects.order_by().values_list("project", flat=True).distinct():
        with connection.cursor() as cursor:
            cursor.execute(FORGET_BLOBS, [project, settings.CODE_RETENTION_DAYS])
    _delete_objects()
    return forgotten


@transaction.atomic
def _forget_snapshots() -> int:
    """Locked first and looked at again: a job that is being submitted names one, or finds it gone."""
    scheduled = JobSchedule.objects.annotate(brings=Cast(KT("spec__snapshot"), BigIntegerField()))
    named = Exists(Job.objects.filter(snapshot=OuterRef("pk"))) | Exists(scheduled.filter(brings=OuterRef("pk")))
    old = CodeSnapshot.objects.filter(used_at__lt=Now() - timedelta(days=settings.CODE_RETENTION_DAYS))
    candidates = old.filter(~named).order_by("pk").values_list("pk", flat=True)
    locked = list(candidates.select_for_update(skip_locked=True)[:AT_ONCE])
    still_old = CodeSnapshot.objects.filter(~named, pk__in=locked)
    return still_old.delete()[0]


def _delete_objects() -> None:
    unneeded = CodePack.objects.filter(
        ~Exists(CodeBlob.objects.filter(pack=OuterRef("pk"))), Q(project=None) | Q(created_at__lt=Now() - UNFINISHED)
    )
    with alerts.storage_failure(ALERT, "Old code could not be deleted"):
        while some := list(unneeded.order_by("pk")[:AT_ONCE]):
            for pack in some:
                blobs.storage().delete(pack.name)
                pack.delete()
