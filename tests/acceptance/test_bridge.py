"""Jobs in a cluster by way of its bridge, all of them real processes."""

import pytest

from jobs.control import actions
from jobs.models import Job
from tests.acceptance.bridged import SAVES, Bridged, gives_way_and_goes_on, node
from tests.acceptance.platform import Platform, output, submitted, wait_for_state
from tests.waiting import wait_for


@pytest.fixture
def pond(platform: Platform) -> Bridged:
    platform.start(beat=True)
    return Bridged(platform).start(node("n1"), node("n2"))


def test_a_job_completes_and_says_all(pond: Bridged) -> None:
    """Its log is whole, its progress and metrics are known, and the cluster keeps nothing of it."""
    script = 'echo begin; echo \'{"progress": 1, "loss": 0.5}\' >> $TRAINYARD_REPORT; seq 1 20000; echo end'
    [job] = submitted(script, executor="pond")
    done = wait_for_state(job, "completed", platform=pond.platform)
    assert output(job) == "begin\n" + "".join(f"{n}\n" for n in range(1, 20001)) + "end\n"
    assert (done.progress, done.metrics["loss"], done.exit_code) == (1, 0.5, 0)
    assert Job.objects.get(pk=job.pk).node.cluster.name == "pond"
    assert done.started_at is not None


def test_ends_are_told_as_they_were(pond: Bridged) -> None:
    """An exit code, a command that is not there, and a limit of time."""
    failed, missing, late = submitted(
        "echo no; exit 3", ["/no/such/program"], "sleep 60", max_runtime_seconds=1, executor="pond"
    )
    assert wait_for_state(failed, "failed", platform=pond.platform).exit_code == 3
    assert wait_for_state(missing, "failed").end_reason == "start_failed"
    assert wait_for_state(late, "failed").end_reason == "timeout"
    assert output(failed) == "no\n"
    wait_for(lambda: pond.workloads() == {}, 10, "the cluster to keep nothing of them")


def test_a_running_job_is_cancelled(pond: Bridged) -> None:
    [job] = submitted("echo up; exec sleep 100", executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    actions.cancel(job_id=job.pk, actor="a test")
    assert wait_for_state(job, "cancelled").end_reason == "cancelled"
    wait_for(lambda: pond.workloads() == {}, 10, "nothing of it to run")


def test_a_job_is_paused_with_its_checkpoint_and_goes_on(pond: Bridged) -> None:
    """It gets its grace, says that it saved its work, and the next attempt finds it."""
    [job] = submitted(SAVES, checkpointable=True, executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    wait_for(lambda: "from 0" in output(job), 10, "its trap to be set")
    actions.pause(job_id=job.pk, actor="a test")
    wait_for_state(job, "paused", platform=pond.platform)
    assert job.attempts.get().saved is True
    actions.resume(job_id=job.pk, actor="a test")
    wait_for_state(job, "completed", platform=pond.platform)
    assert [line for line in output(job).splitlines() if line.startswith("from")] == ["from 0", "from 7"]


def test_a_job_that_gives_way_to_an_urgent_one_goes_on_where_it_was(platform: Platform) -> None:
    platform.environment["TRAINYARD_PREEMPTION_MIN_RUNTIME_SECONDS"] = "1"
    platform.start(beat=True)
    pond = Bridged(platform).start(node("n1"))
    gives_way_and_goes_on(platform, executor="pond", cpus=3)
    wait_for(lambda: pond.workloads() == {}, 10, "the cluster to keep nothing of them")


def test_a_gang_of_two_starts_together(pond: Bridged) -> None:
    """Each member is told its rank and where they meet, and each has its own log."""
    [job] = submitted('echo "$RANK of $WORLD_SIZE at $MASTER_ADDR:$MASTER_PORT"', nodes=2, cpus=3, executor="pond")
    wait_for_state(job, "completed", platform=pond.platform)
    port = job.attempts.get().master_port
    assert output(job) == f"0 of 2 at 127.0.0.1:{port}\n1 of 2 at 127.0.0.1:{port}\n"


def test_a_failed_attempt_is_tried_again(pond: Bridged) -> None:
    [job] = submitted('[ "$TRAINYARD_ATTEMPT" = 2 ] || exit 1', max_retries=1, executor="pond")
    assert wait_for_state(job, "completed", platform=pond.platform, timeout=60).attempt == 2


def test_a_bridge_that_is_told_to_end_leaves_everything_running(pond: Bridged) -> None:
    """It ends in its time and gives the cluster up, so that the next one need not wait for a lease."""
    [job] = submitted("echo begin; sleep 5; echo end", executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    assert pond.platform.stop("bridge") == 0
    assert pond.row.agent_id is None
    pond.start_bridge()
    wait_for_state(job, "completed", platform=pond.platform, timeout=60)
    assert (output(job), job.attempts.count()) == ("begin\nend\n", 1)
