"""What attempts left is forgotten when its time is over, by its project's rule, and never what somebody still needs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.code import blobs, forgetting
from jobs.control.job_retention import set_output_rule
from jobs.models import CodeBlob, CodePack, Job, KeptFile, KeptOutputs
from jobs.outputs import reading
from jobs.recovery import old_outputs
from tests import builders
from tests.api.v1.test_outputs import CONTENT, Agent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def code_folder(settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}


def left(days_ago, content=CONTENT, **fields):
    """A job that ended so long ago, and what it left."""
    job = builders.job(state="queued", **fields)
    agent = Agent(job)
    agent.leave("model.pt", content)
    agent.complete()
    at = timezone.now() - timedelta(days=days_ago)
    Job.objects.filter(pk=job.pk).update(state="completed", finished_at=at)
    KeptOutputs.objects.filter(attempt__job=job).update(kept_at=at)
    return job


def states(*jobs):
    return [reading.summary(reading.attempt_of(job, None)).state for job in jobs]


def test_by_the_platforms_rule_and_by_the_projects_own():
    young, old = left(29), left(31)
    brief = builders.project()
    short, kept = left(3, project=brief), left(31, keep_outputs=True)
    set_output_rule(brief, 2, builders.user(staff=True))
    assert old_outputs.prune() == 2
    assert states(young, old, short, kept) == ["kept", "forgotten", "forgotten", "kept"]
    set_output_rule(kept.project, None, builders.user(staff=True))
    assert old_outputs.prune() == 0


def test_what_a_waiting_job_begins_with_stays():
    old = left(31)
    waiting = builders.job(inputs=[{"job": old.pk, "path": "", "to": "x"}])
    assert old_outputs.prune() == 0
    Job.objects.filter(pk=waiting.pk).update(state="completed", finished_at=timezone.now())
    assert old_outputs.prune() == 1


def test_the_content_goes_once_nobody_needs_it():
    project = builders.project()
    old, young = left(31, project=project), left(1, project=project)
    CodeBlob.objects.update(used_at=timezone.now() - timedelta(days=2))
    old_outputs.prune()
    forgetting.prune()
    [file] = KeptFile.objects.all()
    assert b"".join(reading.content(file, 0, file.size)) == CONTENT
    Job.objects.filter(pk=young.pk).delete()
    forgetting.prune()
    assert not CodeBlob.objects.exists()
    CodePack.objects.update(created_at=timezone.now() - timedelta(days=2))
    names = list(CodePack.objects.values_list("name", flat=True))
    forgetting.prune()
    assert not any(blobs.storage().exists(name) for name in names)
    assert states(old) == ["forgotten"]


def test_of_checkpoints_the_last_is_kept():
    job = builders.job(state="queued")
    for number in (1, 2):
        agent = Agent(job)
        agent.leave("model.pt")
        agent.leave(f"step-{number}", kind="checkpoint")
        agent.complete()
        agent.placement.attempt.ended_at = timezone.now()
        agent.placement.attempt.save()
    old_outputs.prune()
    files = KeptFile.objects.order_by("pk").values_list("outputs__attempt__number", "path")
    assert list(files) == [(1, "model.pt"), (2, "model.pt"), (2, "step-2")]


def test_what_never_came_is_lost():
    job = builders.job(state="queued")
    Agent(job).leave("model.pt")
    KeptOutputs.objects.update(announced_at=timezone.now() - timedelta(days=8))
    old_outputs.prune()
    assert states(job) == ["coming"]  # it still runs
    job.attempts.update(ended_at=timezone.now())
    old_outputs.prune()
    assert states(job) == ["lost"]
