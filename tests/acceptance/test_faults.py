"""Whatever is killed, lost or doubled: each job ends once, as it should."""

import signal
from pathlib import Path

import psutil
import redis
from django.db import connection

from jobs.control import actions
from jobs.messages import publishing
from jobs.messages.placement_messages import placement_messages
from jobs.models import Attempt, Job, JobEvent, Placement
from tests.acceptance.platform import Platform, history, output, submitted, wait_for_state
from tests.servers import Broker, RunningServer
from tests.waiting import wait_for

ONE_LIFE = ["pending", "queued", "assigned", "running", "completed"]


def count_in(file: Path) -> str:
    """A script that leaves one line for each time it starts."""
    return f"echo started >> {file}"


def starts(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_job_submitted_while_the_broker_is_down_runs_when_it_is_back(platform: Platform, broker: Broker):
    platform.start("n1", beat=True)
    broker.kill()

    [job] = submitted("true")
    assert job.state == "pending"
    broker.start()

    assert history(wait_for_state(job, "completed", timeout=60, platform=platform)) == ONE_LIFE


def test_wiping_the_broker_loses_no_job_and_disturbs_none(platform: Platform, broker: Broker, tmp_path: Path):
    platform.start("n1", beat=True, cpus=2)
    runs = tmp_path / "runs"
    jobs = submitted(*[f"{count_in(runs)}; sleep 1.5"] * 6)
    wait_for_state(jobs[0], "running", platform=platform)

    broker.wipe()

    for job in jobs:
        assert history(wait_for_state(job, "completed", timeout=60, platform=platform)) == ONE_LIFE
    assert starts(runs) == 6


def test_the_broker_killed_with_its_data_under_running_jobs(platform: Platform, broker: Broker, tmp_path: Path):
    platform.start("n1", beat=True, cpus=2)
    runs = tmp_path / "runs"
    jobs = submitted(*[f"{count_in(runs)}; sleep 2"] * 4)
    wait_for_state(jobs[0], "running", platform=platform)

    broker.kill()
    for file in broker.server.data.rglob("*"):
        if file.is_file() and file.suffix != ".conf":
            file.unlink()
    broker.start()

    for job in jobs:
        wait_for_state(job, "completed", timeout=90, platform=platform)
    assert starts(runs) == 4


def test_a_lost_message_is_sent_again(platform: Platform, broker: Broker):
    """The agent is stopped, its queue emptied: as when a worker dies between popping a message and noting it."""
    platform.start("n1", beat=True)
    platform.kill("n1", signal.SIGSTOP)
    [job] = submitted("true")
    wait_for_state(job, "queued", platform=platform)

    broker.wipe()
    platform.kill("n1", signal.SIGCONT)

    wait_for_state(job, "completed", timeout=60, platform=platform)
    assert Attempt.objects.filter(job=job).count() <= 2


def test_doubled_messages_start_one_run(platform: Platform, tmp_path: Path):
    platform.start_control()
    platform.start_node("n1", cpus=4)
    runs = tmp_path / "runs"
    [job] = submitted(count_in(runs))
    wait_for_state(job, "queued", "assigned", "running", "completed", platform=platform)

    rows = list(Placement.objects.select_related("attempt", "node"))
    for _ in range(5):
        publishing.send_placements(placement_messages(rows))
    wait_for_state(job, "completed", platform=platform)
    [other] = submitted("true")
    wait_for_state(other, "completed", platform=platform)

    assert starts(runs) == 1
    assert JobEvent.objects.filter(job=job, kind="claimed").count() == 1


def test_an_agent_killed_and_started_again_goes_on_with_its_jobs(platform: Platform, tmp_path: Path):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"  # on a busy machine an agent takes seconds to start
    platform.start("n1")
    runs = tmp_path / "runs"
    [job] = submitted(f"{count_in(runs)}; echo before; sleep 3; echo after")
    wait_for_state(job, "running", platform=platform)

    platform.kill("n1")
    platform.start_node("n1")

    job = wait_for_state(job, "completed", platform=platform)
    assert (history(job), job.attempt, starts(runs)) == (ONE_LIFE, 1, 1)
    assert output(job) == "before\nafter\n"


def test_a_job_that_ended_while_its_agent_was_dead_is_reported_by_the_next_one(platform: Platform):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    platform.start("n1")
    [job] = submitted("sleep 0.7; echo done")
    wait_for_state(job, "running", platform=platform)

    platform.kill("n1")
    wait_for(lambda: not platform.jobs(), 5, "the command to end")
    platform.start_node("n1")

    job = wait_for_state(job, "completed", platform=platform)
    assert (history(job), output(job)) == (ONE_LIFE, "done\n")


def test_the_jobs_of_an_agent_that_stays_dead_stop_and_run_elsewhere(platform: Platform, tmp_path: Path):
    platform.start("n1", beat=True)
    runs = tmp_path / "runs"
    script = f'{count_in(runs)}; test "$TRAINYARD_ATTEMPT" = 2 || sleep 300'
    [job] = submitted(script)
    wait_for_state(job, "running", platform=platform)

    platform.kill("n1")
    platform.start_node("n2")
    job = wait_for_state(job, "completed", timeout=60, platform=platform)

    assert job.attempt == 2
    assert [attempt.end_reason for attempt in job.attempts.all()] == ["node_lost", "completed"]
    assert history(job) == [
        "pending",
        "queued",
        "assigned",
        "running",
        "pending",
        "queued",
        "assigned",
        "running",
        "completed",
    ]
    assert not platform.jobs(), "the first attempt's processes must be gone before the second one starts"


def test_an_agent_told_to_stop_gives_its_jobs_back_with_their_checkpoint(platform: Platform):
    platform.start("n1", "n2", beat=True, cpus=1)
    script = (
        'trap "echo 7 > $TRAINYARD_CHECKPOINT_DIR/step; exit 0" TERM;'
        "test -e $TRAINYARD_CHECKPOINT_DIR/step && echo resumed && exit 0; while :; do sleep 0.1; done"
    )
    [job] = submitted(script)
    first = wait_for_state(job, "running", platform=platform).node.name

    assert platform.stop(first) == 0

    job = wait_for_state(job, "completed", platform=platform)
    assert [attempt.end_reason for attempt in job.attempts.all()] == ["preempted", "completed"]
    assert (job.retries_used, job.platform_retries_used) == (0, 0)
    assert "resumed" in output(job)


def test_a_job_cancelled_while_its_agent_drains_does_not_come_back(platform: Platform):
    platform.environment["TRAINYARD_DRAIN_SECONDS"] = "3"
    platform.start("n1")
    [job] = submitted('trap "" TERM; while :; do sleep 0.1; done')
    wait_for_state(job, "running", platform=platform)
    platform.kill("n1", signal.SIGTERM)
    actions.cancel(job_id=job.pk, actor="ann")

    wait_for_state(job, "cancelled", platform=platform)


def test_commands_do_not_inherit_ignored_signals(platform: Platform):
    platform.start("n1")
    [job] = submitted(["sleep", "30"])
    wait_for_state(job, "running", platform=platform)

    [sleeper] = [process for process in platform.jobs() if process.name() == "sleep"]
    ignored = next(
        line.split()[1] for line in Path(f"/proc/{sleeper.pid}/status").read_text().splitlines() if "SigIgn" in line
    )

    assert int(ignored, 16) & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGTERM - 1)) == 0


def test_nothing_is_left_of_a_killed_shim_s_job(platform: Platform):
    platform.start("n1")
    [job] = submitted("sleep 61 & sleep 62", max_retries=0)
    wait_for_state(job, "running", platform=platform)

    [shim] = platform.shims()
    before = {process.pid for process in platform.jobs()}
    shim.kill()

    wait_for(lambda: not any(psutil.pid_exists(pid) and _alive(pid) for pid in before), 10, "the tree to be gone")
    wait_for(lambda: Attempt.objects.get(number=1).end_reason == "lost_lease", 10, "the attempt to end")


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_broker_s_own_keys_show_class_and_priority(platform: Platform, broker: Broker):
    """On Redis 0 is the most urgent, and has no suffix. The agent is killed so that nobody takes the messages."""
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    platform.start("n1", cpus=4)
    platform.kill("n1")

    for priority in (100, "urgent", "normal", "background"):
        submitted("true", priority=priority)

    expected = {"cpu.urgent.n1", "cpu.urgent.n1:1", "cpu.normal.n1:4", "cpu.background.n1:8"}
    with redis.Redis.from_url(broker.url) as client:
        wait_for(lambda: {key.decode() for key in client.scan_iter("cpu.*")} == expected, 5, f"the keys {expected}")


def test_two_beats_do_everything_once(platform: Platform, tmp_path: Path):
    platform.start("n1", beat=True)
    platform.start_beat("second beat")
    runs = tmp_path / "runs"

    jobs = submitted(*[count_in(runs)] * 4)
    for job in jobs:
        wait_for_state(job, "completed", platform=platform)

    assert starts(runs) == 4
    assert Job.objects.filter(attempt=1).count() == 4


def test_the_database_restarted_under_a_running_job(platform_on_own_database: Platform, postgres_server: RunningServer):
    """Agents have one connection: they drop it, connect again, and the job's end is written once."""
    platform = platform_on_own_database
    [job] = submitted("sleep 2; echo done")
    wait_for_state(job, "running", platform=platform)

    connection.close()
    postgres_server.kill()
    postgres_server.start()

    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert (history(job), output(job)) == (ONE_LIFE, "done\n")
