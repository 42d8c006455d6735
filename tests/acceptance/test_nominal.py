"""A job goes all the way."""

import sys

from jobs.control import actions
from jobs.metric_history import curves
from jobs.models import Attempt, GpuHold, Job, Placement
from tests.acceptance.platform import Platform, history, output, submitted, wait_for_state
from tests.waiting import wait_for


def test_a_job_runs_reports_and_completes(platform: Platform):
    platform.start("n1", gpus=1)
    script = 'echo "gpus: $CUDA_VISIBLE_DEVICES threads: $OMP_NUM_THREADS"; echo \'{"progress": 0.5, "loss": 1.5}\' >> $TRAINYARD_REPORT; '
    script += f"cd /; {sys.executable} -S -c 'from trainyard import report; report(step=7, accuracy=0.5)'"

    [job] = submitted(script, gpus=1, priority="urgent")
    job = wait_for_state(job, "completed", platform=platform)

    assert history(job) == ["pending", "queued", "assigned", "running", "completed"]
    assert (job.exit_code, job.end_reason, job.metrics["loss"], job.progress) == (0, "completed", 1.5, 1.0)
    assert "gpus: 0 threads: 1" in output(job)
    assert [(curve.name, curve.over_steps, curve.last) for curve in curves.curves(job)] == [
        ("accuracy", True, 0.5), ("loss", True, 1.5),
    ]  # fmt: skip
    assert Placement.objects.get().closed_at is not None
    assert not GpuHold.objects.exists()


def test_cancelling_a_running_job_stops_its_whole_tree(platform: Platform):
    platform.start("n1")
    [job] = submitted("sleep 61 & sleep 62")
    wait_for_state(job, "running", platform=platform)

    actions.cancel(job_id=job.pk, actor="ann")

    assert wait_for_state(job, "cancelled").end_reason == "cancelled"
    wait_for(lambda: not platform.jobs(), 5, "the job's processes to be gone")


def test_what_cannot_start_fails_with_the_system_s_message(platform: Platform, tmp_path):
    platform.start("n1")
    plain = tmp_path / "plain.txt"
    plain.write_text("not a program")

    missing, forbidden = submitted(["no-such-program"], [str(plain)])
    [nowhere] = submitted(["true"], working_dir="/no/such/folder")

    for job, message in (
        (missing, "No such file or directory"), (forbidden, "Permission denied"), (nowhere, "/no/such/folder"),
    ):  # fmt: skip
        ended = wait_for_state(job, "failed", platform=platform)
        assert ended.end_reason == "start_failed"
        assert message in ended.message


def test_a_retry_resumes_from_the_checkpoint_of_the_first_attempt(platform: Platform):
    platform.start("n1", beat=True)
    script = (
        'f=$TRAINYARD_CHECKPOINT_DIR/step; test -e $f && echo "resumed at $(cat $f)" && exit 0; echo 7 > $f; exit 1'
    )

    [job] = submitted(script, max_retries=1)
    Job.objects.filter(pk=job.pk).update(max_retries=1)
    wait_for(lambda: Attempt.objects.filter(job=job, ended_at__isnull=False).exists(), 20, "the first attempt to end")
    Job.objects.filter(pk=job.pk).update(not_before=None)
    job = wait_for_state(job, "completed", platform=platform)

    assert job.attempt == 2
    assert "resumed at 7" in output(job)


def test_a_flood_of_output_is_kept_up_to_its_limit_and_says_so(platform: Platform):
    platform.environment["TRAINYARD_LOG_LIMIT_MB"] = "1"
    platform.start("n1")

    [job] = submitted("head -c 100000000 /dev/urandom")
    job = wait_for_state(job, "completed", platform=platform)

    kept = output(job)
    assert "bytes of output are missing here: the log limit of 1 MB" in kept
    numbers = list(job.attempts.get().log_chunks.values_list("number", flat=True))
    assert numbers == list(range(len(numbers)))


def test_several_nodes_share_the_work(platform: Platform):
    platform.start("n1", "n2", cpus=1)

    jobs = submitted("sleep 1", "sleep 1")
    for job in jobs:
        wait_for_state(job, "completed", platform=platform)

    assert {job.node.name for job in Job.objects.select_related("node")} == {"n1", "n2"}
