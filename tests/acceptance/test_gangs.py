"""Jobs over several nodes, on real agents: they meet, compute together, and start and end as one."""

import signal
import sys
from itertools import pairwise
from pathlib import Path

from django.db.models import Max

from jobs.control import actions
from jobs.logs.reader import pieces
from jobs.models import Attempt, GpuHold, Job, Placement
from tests.acceptance.platform import ROOT, Platform, history, output, submitted, wait_for_state
from tests.waiting import wait_for
from workers.models import Node

ALLREDUCE = [sys.executable, str(ROOT / "examples" / "allreduce" / "allreduce.py")]
ONE_LIFE = ["pending", "queued", "assigned", "running", "completed"]


def gang(nodes: int, *command: str, **fields) -> Job:
    """A job with one CPU on each of so many nodes."""
    [job] = submitted(list(command) or [*ALLREDUCE, "5", "0.05"], nodes=nodes, **fields)
    return job


def log_of(job: Job, rank: int, attempt: int = 1) -> str:
    return b"".join(pieces(job.attempts.get(number=attempt), 0, rank=rank)).decode()


def members_running(job: Job, attempt: int, nodes: int) -> bool:
    rows = Placement.objects.filter(attempt__job=job, attempt__number=attempt, state="running")
    return rows.count() == nodes


def attempts_do_not_overlap(job: Job) -> bool:
    """Each attempt was created after the last placement of the one before had been closed."""
    rows = job.attempts.order_by("number").annotate(last=Max("placements__closed_at"))
    return all(before.last <= after.created_at for before, after in pairwise(rows))


def test_members_on_three_nodes_meet_and_add_up(platform: Platform):
    platform.start("n1", "n2", "n3", cpus=1, gpus=1)

    job = wait_for_state(gang(3, gpus=1), "completed", timeout=60, platform=platform)

    assert history(job) == ONE_LIFE
    assert (job.exit_code, job.progress, job.attempt) == (0, 1.0, 1)
    for rank in range(3):
        assert f"Rank {rank} of 3: 5 sums, all right" in log_of(job, rank)
    nodes = list(Placement.objects.order_by("rank").values_list("node__name", flat=True))
    assert sorted(nodes) == ["n1", "n2", "n3"]
    assert job.node.name == nodes[0]
    assert not Placement.objects.filter(closed_at__isnull=True).exists()
    assert not GpuHold.objects.exists()
    assert all(Node.objects.values_list("address", flat=True))


def test_two_gangs_on_the_same_nodes_do_not_meet_each_other(platform: Platform):
    platform.start("n1", "n2", cpus=2)

    jobs = [gang(2), gang(2)]
    for job in jobs:
        wait_for_state(job, "completed", timeout=60, platform=platform)


def test_one_member_killed_ends_the_gang_and_it_is_tried_again_whole(platform: Platform):
    platform.start("n1", "n2", beat=True, cpus=1)
    job = gang(2, *ALLREDUCE, "40", "0.2", max_retries=1)
    wait_for(lambda: members_running(job, 1, 2), 30, "both members to run")
    wait_for(lambda: (Job.objects.get(pk=job.pk).progress or 0) > 0, 10, "the members to have met")

    member = Placement.objects.get(rank=1)
    [victim] = [one for one in platform.jobs() if is_member(one, member)]
    victim.kill()

    wait_for(lambda: Attempt.objects.get(number=1).ended_at is not None, 20, "the first attempt to end")
    assert {row.state for row in Placement.objects.filter(attempt__number=1)} == {"closed"}
    Job.objects.filter(pk=job.pk).update(not_before=None)
    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert [attempt.end_reason for attempt in job.attempts.all()] == ["exit_code", "completed"]
    assert (job.retries_used, job.attempt) == (1, 2)
    assert attempts_do_not_overlap(job)
    assert "Rank 1 of 2" in log_of(job, 1, attempt=2)


def is_member(process, placement: Placement) -> bool:
    """Whether this is the placement's own command, not its shim."""
    words = process.cmdline()
    return str(ALLREDUCE[1]) in words and process.environ().get("RANK") == str(placement.rank)


def test_a_lost_node_stops_the_whole_gang_before_it_runs_elsewhere(platform: Platform, tmp_path: Path):
    platform.start("n1", "n2", "n3", beat=True, cpus=1)
    script = f'echo "$RANK $TRAINYARD_ATTEMPT" >> {tmp_path}/starts; test "$TRAINYARD_ATTEMPT" = 2 || exec sleep 300'
    job = gang(2, "sh", "-c", script)
    wait_for(lambda: members_running(job, 1, 2), 30, "both members to run")

    platform.kill(Placement.objects.get(rank=1).node.name)

    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert [attempt.end_reason for attempt in job.attempts.all()] == ["node_lost", "completed"]
    assert (job.retries_used, job.platform_retries_used) == (0, 1)
    assert attempts_do_not_overlap(job)
    assert sorted((tmp_path / "starts").read_text().splitlines()) == ["0 1", "0 2", "1 1", "1 2"]
    assert not platform.jobs()


def test_a_node_that_does_not_take_its_part_gives_everything_back(platform: Platform, tmp_path: Path):
    """It still counts as alive when the gang is placed; nothing of the job may have run before it runs elsewhere."""
    platform.environment["TRAINYARD_GANG_START_SECONDS"] = "2"
    # On a busy machine, too, the gang must give up well before its node is lost.
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "15"
    platform.start("n1", "n2", beat=True, cpus=1)
    platform.kill("n2", signal.SIGSTOP)
    job = gang(2, "sh", "-c", f'echo "$RANK $TRAINYARD_ATTEMPT" >> {tmp_path}/starts')

    wait_for(lambda: Attempt.objects.filter(job=job, ended_at__isnull=False).exists(), 30, "the gang to give up")
    first = Attempt.objects.get(number=1)
    assert (first.end_reason, first.started_at) == ("start_failed", None)
    assert "on n2: Did not take its part within 2 seconds" in first.message
    assert not (tmp_path / "starts").exists()

    platform.start_node("n3", cpus=1)
    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert (job.retries_used, job.platform_retries_used) == (0, 0)
    last = Placement.objects.filter(attempt__number=job.attempt).values_list("node__name", flat=True)
    assert sorted(last) == ["n1", "n3"]
    assert sorted((tmp_path / "starts").read_text().splitlines()) == [f"0 {job.attempt}", f"1 {job.attempt}"]
    platform.kill("n2", signal.SIGCONT)


def test_an_agent_started_again_while_its_member_waits_goes_on_waiting(platform: Platform):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    platform.start("n1", "n2", cpus=1)
    platform.kill("n2", signal.SIGSTOP)
    job = gang(2)
    wait_for(lambda: Placement.objects.filter(state="claimed", node__name="n1").exists(), 20, "n1 to take its part")

    platform.kill("n1")
    platform.start_node("n1", cpus=1)
    platform.kill("n2", signal.SIGCONT)

    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert (history(job), job.attempt) == (ONE_LIFE, 1), list(job.attempts.values_list("end_reason", "message"))


def test_an_agent_started_again_while_its_gang_runs_keeps_it(platform: Platform):
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"
    platform.start("n1", "n2", cpus=1)
    job = gang(2, *ALLREDUCE, "20", "0.2")
    wait_for(lambda: members_running(job, 1, 2), 30, "both members to run")

    platform.kill("n2")
    platform.start_node("n2", cpus=1)

    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert (history(job), job.attempt) == (ONE_LIFE, 1), list(job.attempts.values_list("end_reason", "message"))
    assert "Rank 1 of 2: 20 sums, all right" in output(job)


def test_a_cancelled_gang_is_stopped_on_all_its_nodes(platform: Platform):
    platform.start("n1", "n2", cpus=1)
    job = gang(2, "sleep", "300")
    wait_for(lambda: members_running(job, 1, 2), 30, "both members to run")

    actions.cancel(job_id=job.pk, actor="ann")

    assert wait_for_state(job, "cancelled", platform=platform).end_reason == "cancelled"
    wait_for(lambda: not platform.jobs(), 5, "the job's processes to be gone")


def test_a_node_that_drains_gives_the_whole_gang_back_with_its_checkpoints(platform: Platform):
    platform.start("n1", "n2", "n3", beat=True, cpus=1)
    script = (
        'trap "echo $RANK > $TRAINYARD_CHECKPOINT_DIR/rank$RANK; exit 0" TERM;'
        "test -e $TRAINYARD_CHECKPOINT_DIR/rank$RANK && echo resumed && exit 0; while :; do sleep 0.1; done"
    )
    job = gang(2, "sh", "-c", script)
    wait_for(lambda: members_running(job, 1, 2), 30, "both members to run")

    assert platform.stop(Placement.objects.get(rank=1).node.name) == 0

    job = wait_for_state(job, "completed", timeout=60, platform=platform)
    assert [attempt.end_reason for attempt in job.attempts.all()] == ["preempted", "completed"]
    assert (job.retries_used, job.platform_retries_used) == (0, 0)
    assert [log_of(job, rank, attempt=2) for rank in (0, 1)] == ["resumed\n", "resumed\n"]
