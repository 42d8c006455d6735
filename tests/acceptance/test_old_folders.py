"""What a job left on a node goes once a rule has deleted the job, also by an agent that was not there when it ran."""

from datetime import timedelta

from django.utils import timezone

from jobs.models import Job, JobRetention, UsageRollup
from jobs.recovery import old_jobs
from jobs.usage import rollup
from tests.acceptance.platform import Platform, submitted, wait_for_state
from tests.waiting import wait_for
from workers.models import Node


def test_an_agent_removes_what_a_deleted_job_left_and_keeps_what_another_may_need(platform: Platform):
    platform.start("n1")
    old, kept = submitted("echo 1 > model; echo 2 > $TRAINYARD_CHECKPOINT_DIR/last", "echo 3 > model")
    for job in (old, kept):
        wait_for_state(job, "completed", timeout=60, platform=platform)
    folders = {job.pk: platform.home / "jobs" / str(job.pk) for job in (old, kept)}
    assert (folders[old.pk] / "checkpoints" / "last").exists()
    platform.kill("n1")
    JobRetention.objects.create(project=old.project, days=30)
    Job.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=31))
    UsageRollup.objects.update(rolled_up_until=rollup.floor_to_hour(timezone.now()))
    assert old_jobs.prune() == 1

    platform.start_node("n1")
    wait_for(lambda: not folders[old.pk].exists(), 60, "the folder to be removed")

    wait_for(Node.objects.filter(load__removed__folders=1).exists, 30, "the word of it")
    assert (folders[kept.pk] / "outputs" / "1" / "model").read_text() == "3\n"
    assert [one.name for one in (platform.home / "jobs").iterdir()] == [str(kept.pk)]
