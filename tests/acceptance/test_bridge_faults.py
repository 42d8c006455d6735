"""What becomes of jobs in a cluster when its bridge is killed, when it does not answer, and when others meddle."""

import random
import signal
import time

import psutil
import pytest
from django.db import connection

from jobs.attempts.completion import finish
from jobs.control import cluster_loss
from jobs.models import Attempt, Job, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError
from scheduling.lifecycle import TERMINAL_STATES, EndReason
from tests.acceptance.bridged import Bridged, node
from tests.acceptance.platform import Platform, output, state_of, submitted, wait_for_state
from tests.waiting import wait_for
from workers.models import Cluster, Node

KILLS = 20


@pytest.fixture
def pond(platform: Platform) -> Bridged:
    platform.start(beat=True)
    return Bridged(platform).start(node("n1", cpus=8), node("n2", cpus=8))


def commands_of(pond: Bridged) -> list[psutil.Process]:
    """What runs of any job in the cluster, by where its reports go."""
    return [one for one in psutil.process_iter() if f"TRAINYARD_REPORT={pond.folder}" in environment_of(one)]


def environment_of(process: psutil.Process) -> str:
    try:
        return " ".join(f"{name}={value}" for name, value in process.environ().items())
    except psutil.Error:
        return ""


def starts(pond: Bridged, job: Job) -> list[str]:
    """What each start of the job's command left behind, whoever started it."""
    return sorted(path.name for path in pond.side_file("starts").glob(f"{job.pk}.*"))


def counted(pond: Bridged, script: str) -> str:
    folder = pond.side_file("starts")
    folder.mkdir(parents=True, exist_ok=True)
    return f"touch {folder}/$TRAINYARD_JOB_ID.$TRAINYARD_ATTEMPT.$$; {script}"


@pytest.mark.timeout(600)
def test_a_bridge_that_is_killed_loses_and_doubles_nothing(pond: Bridged) -> None:
    """At random moments of submission, run and end, and begun anew each time: every job runs once, its log is whole."""
    pick = random.Random()  # noqa: S311  nothing is kept secret by it
    jobs: list[Job] = []
    for _ in range(KILLS):
        script = counted(pond, f"echo begin; sleep {pick.uniform(0, 3):.2f}; echo end")
        jobs += submitted(script, script, executor="pond")
        time.sleep(pick.uniform(0, 2))
        pond.platform.kill("bridge")
        killed_at = now()
        pond.start_bridge()
        wait_for(Cluster.objects.filter(registered_at__gt=killed_at).exists, 60, lambda: pond.platform.log("bridge"))
    for job in jobs:
        wait_for_state(job, "completed", timeout=120, platform=pond.platform)
    assert {job.pk: len(starts(pond, job)) for job in jobs} == {job.pk: 1 for job in jobs}
    assert {output(job) for job in jobs} == {"begin\nend\n"}
    wait_for(lambda: pond.workloads() == {}, 30, "the cluster to keep nothing")
    assert not Placement.objects.filter(closed_at__isnull=True).exists()
    assert commands_of(pond) == []


def test_a_silent_cluster_kills_nothing_and_gets_nothing(pond: Bridged) -> None:
    """Over several leases: what runs there ends as it would have, what waits says why, and starts when it answers."""
    [running] = submitted(counted(pond, "sleep 12; echo through"), executor="pond")
    wait_for_state(running, "running", platform=pond.platform)
    pond.cut("dial tcp 10.0.0.1:6443: connection refused")
    wait_for(
        lambda: Node.objects.filter(cluster__name="pond", state="down").count() == 2, 30, "its nodes to count as down"
    )
    [waiting] = submitted("true", executor="pond")
    wait_for(lambda: codes(waiting) == ["cluster"], 30, f"the reason: {codes(waiting)}")
    assert "connection refused" in Job.objects.get(pk=waiting.pk).reasons[0]["sentence"]
    time.sleep(2 * float(pond.platform.environment["TRAINYARD_LEASE_SECONDS"]))
    assert state_of(running) == "running"
    assert pond.row.fault == "dial tcp 10.0.0.1:6443: connection refused"
    pond.mend()
    wait_for_state(waiting, "completed", platform=pond.platform)
    wait_for_state(running, "completed", platform=pond.platform)
    assert (starts(pond, running), output(running)) == ([starts(pond, running)[0]], "through\n")


def codes(job: Job) -> list[str]:
    return [reason["code"] for reason in Job.objects.get(pk=job.pk).reasons]


def test_a_workload_that_somebody_deleted_ends_with_words_and_is_tried_again(pond: Bridged) -> None:
    [job] = submitted('[ "$TRAINYARD_ATTEMPT" -ge 2 ] || sleep 100', executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    [name] = pond.workloads()
    pond.delete(name)
    wait_for_state(job, "completed", platform=pond.platform, timeout=60)
    first = Attempt.objects.get(job=job, number=1)
    assert first.end_reason == "node_lost"
    assert "is gone from cluster pond: somebody deleted it there" in first.message


def test_what_is_nobodys_any_more_is_stopped(pond: Bridged) -> None:
    """An attempt that was given up while no bridge was there: the next one ends what runs of it, and starts the new one."""
    [job] = submitted('[ "$TRAINYARD_ATTEMPT" -ge 2 ] || sleep 100', executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    pond.platform.kill("bridge")
    placement = Placement.objects.get(attempt__job=job)
    finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), EndReason.NODE_LOST)])
    pond.start_bridge()
    wait_for_state(job, "completed", platform=pond.platform, timeout=60)
    wait_for(lambda: pond.workloads() == {}, 30, f"the stale one to be gone: {pond.workloads()}")


def test_of_two_bridges_one_stands_by_and_takes_over(pond: Bridged) -> None:
    """Killed, the first one is followed by the second after a lease at the latest; the job does not notice."""
    [job] = submitted(counted(pond, "sleep 6; echo through"), executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    pond.start_bridge("second", TRAINYARD_HOME=str(pond.platform.home / "elsewhere"))
    wait_for(lambda: "stands by" in pond.platform.log("second"), 30, lambda: pond.platform.log("second"))
    first = pond.row.agent_id
    pond.platform.kill("bridge")
    wait_for(lambda: pond.row.agent_id not in (first, None), 30, lambda: pond.platform.log("second"))
    wait_for_state(job, "completed", platform=pond.platform)
    assert (len(starts(pond, job)), output(job)) == (1, "through\n")


def test_a_bridge_whose_cluster_was_taken_writes_nothing_more(pond: Bridged) -> None:
    """It stood still for longer than a lease; when it goes on, another one has its place, and it ends."""
    pond.platform.kill("bridge", signal.SIGSTOP)
    pond.start_bridge("second", TRAINYARD_HOME=str(pond.platform.home / "elsewhere"))
    first = pond.row.agent_id
    wait_for(lambda: pond.row.agent_id not in (first, None), 30, lambda: pond.platform.log("second"))
    pond.platform.kill("bridge", signal.SIGCONT)
    assert pond.platform.processes["bridge"].wait(30) == 1
    [job] = submitted(counted(pond, "true"), executor="pond")
    wait_for_state(job, "completed", platform=pond.platform)
    assert len(starts(pond, job)) == 1


def test_a_cluster_is_given_up_by_an_operators_word_alone(pond: Bridged) -> None:
    """Its jobs end as lost; what comes back all the same finds nobody, and is stopped."""
    [job] = submitted("sleep 100", executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    with pytest.raises(ConflictError, match="answers"):
        cluster_loss.declare_lost("pond", by="ada")
    pond.cut()
    wait_for(lambda: not pond.row.is_reached(now()), 30, "it to count as silent")
    assert cluster_loss.declare_lost("pond", by="ada") == 1
    assert Attempt.objects.get(job=job, number=1).message == "Cluster pond was declared lost by ada."
    assert state_of(job) not in TERMINAL_STATES  # it is tried again
    pond.mend()
    pond.start_bridge()
    wait_for(lambda: pond.row.lost_at is None, 30, "it to be taken back")
    old = job_name_of(job, 1)
    wait_for(lambda: old not in pond.workloads(), 30, f"the stale attempt to be gone: {pond.workloads()}")


def job_name_of(job: Job, number: int) -> str:
    token = str(Attempt.objects.get(job=job, number=number).token).replace("-", "")[:12]
    return f"ty-{job.pk}-{number}-{token}"


def now():  # the database's
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


def test_a_database_that_is_away_for_a_while(platform_on_own_database: Platform, postgres_server) -> None:
    """What ends meanwhile is reported afterwards, once."""
    pond = Bridged(platform_on_own_database).start(node("n1"))
    [job] = submitted(counted(pond, "echo begin; sleep 3; echo end"), executor="pond")
    wait_for_state(job, "running", platform=pond.platform)
    postgres_server.kill()
    connection.close()
    time.sleep(5)
    postgres_server.start()
    wait_for_state(job, "completed", platform=pond.platform, timeout=60)
    assert (len(starts(pond, job)), output(job)) == (1, "begin\nend\n")
