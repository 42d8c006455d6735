"""Jobs over several nodes start together and end together."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.attempts import claims, gangs
from jobs.attempts.claims import PlacementSpec
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.messages import publishing
from jobs.models import Attempt, GpuHold, Job, JobEvent, Placement
from jobs.planning import job_rows, rendezvous_ports
from jobs.planning.cycle import _commit_placements
from jobs.recovery import sweep
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, JobState, PlacementState
from scheduling.planning.plan import PlannedJob
from scheduling.resources import Resources
from scheduling.snapshot import Allocation
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def gang() -> list[Placement]:
    """Placed on n0 and n1, not claimed yet."""
    return builders.gang(*(builders.node(name=f"n{n}", address=f"10.0.0.{n}") for n in range(2)))


@pytest.fixture
def running(gang) -> list[Placement]:
    """The same, running."""
    for member in gang:
        claim(member)
    claims.started({ref(gang[0]): timezone.now()}, node_id=gang[0].node_id)
    return gang


def ref(member: Placement) -> PlacementRef:
    return PlacementRef(member.pk, str(member.attempt.token))


def claim(member: Placement) -> list[PlacementSpec]:
    return claims.claim([ref(member)], node_id=member.node_id)


def end(member: Placement, reason: EndReason, **fields) -> frozenset[int]:
    return finish([PlacementOutcome(ref(member), reason, **fields)])


def crash(member: Placement, exit_code: int = 1) -> frozenset[int]:
    return end(member, EndReason.EXIT_CODE, exit_code=exit_code)


def states() -> list[str]:
    return list(Placement.objects.order_by("rank").values_list("state", flat=True))


def job() -> Job:
    return Job.objects.get()


def last_attempt() -> Attempt:
    return Attempt.objects.get()


def planned(made: Job, *nodes: str, gpus: tuple[int, ...] = ()) -> PlannedJob:
    amount = Resources(cpus=1, gpus=len(gpus))
    return PlannedJob(made.pk, tuple(Allocation(node, amount, gpus, rank) for rank, node in enumerate(nodes)))


# Placing


def test_all_members_are_placed_in_one_attempt_with_a_port_to_meet_at():
    for name in ("n1", "n2"):
        builders.node(name=name, gpus=2)
    made = builders.job(nodes=2, gpus=2)

    bells = _commit_placements([planned(made, "n2", "n1", gpus=(0, 1))], "best_fit")

    made.refresh_from_db()
    assert (made.state, made.node.name) == (JobState.QUEUED, "n2")
    assert list(Placement.objects.values_list("rank", "node__name", "gpu_indices")) == [
        (0, "n2", [0, 1]),
        (1, "n1", [0, 1]),
    ]
    assert GpuHold.objects.count() == 4
    assert [bell.route.queue for bell in bells] == ["gpu.normal.n2", "gpu.normal.n1"]
    assert last_attempt().master_port >= 29_500
    assert "n2 and n1" in JobEvent.objects.get(kind="queued").message


def test_no_two_open_gangs_meet_at_the_same_port(settings, monkeypatch):
    monkeypatch.setattr(rendezvous_ports, "OF_GANGS", 3)
    for name in ("n1", "n2"):
        builders.node(name=name)
    for _ in range(3):
        _commit_placements([planned(builders.job(nodes=2), "n1", "n2")], "best_fit")

    assert set(Attempt.objects.values_list("master_port", flat=True)) == {29_500, 29_501, 29_502}


def test_jobs_on_one_node_meet_at_ports_of_their_own_whatever_agents_share_the_machine():
    for name in ("n1", "n2"):
        builders.node(name=name, hostname="machine")
    first = builders.job()
    others = [builders.job(pk=first.pk + rendezvous_ports.OF_ONE_NODE * times) for times in (1, 2)]
    _commit_placements([planned(first, "n1"), planned(others[0], "n2")], "best_fit")
    _commit_placements([planned(others[1], "n1")], "best_fit")

    given = {port or 0 for port in Attempt.objects.values_list("master_port", flat=True)}
    assert len(given) == 3
    assert min(given) >= 30_000


# Starting


def test_a_member_waits_until_all_are_claimed(gang):
    [first] = claim(gang[0])
    assert (job().state, states()) == (JobState.QUEUED, ["claimed", "placed"])
    assert gangs.complete([first.attempt_id]) == frozenset()

    [second] = claim(gang[1])
    assert job().state == JobState.ASSIGNED
    assert gangs.complete([first.attempt_id]) == {first.attempt_id}
    assert [(one.rank, one.nodes, one.master_address, one.master_port) for one in (first, second)] == [
        (0, 2, "10.0.0.0", 29_500),
        (1, 2, "10.0.0.0", 29_500),
    ]


def test_the_last_member_rings_for_those_that_wait(gang, monkeypatch):
    rung: list[Any] = []
    monkeypatch.setattr(publishing, "request_placements", lambda sent, **_: rung.extend(sent))
    claim(gang[1])
    assert rung == []

    claim(gang[0])
    assert [bell.placement_id for bell in rung] == [gang[1].pk]


def test_a_member_is_claimed_once(gang):
    claim(gang[0])

    assert claim(gang[0]) == []
    assert job().state == JobState.QUEUED


def test_members_that_wait_keep_their_lease(gang):
    claim(gang[0])

    assert claims.renew([ref(gang[0])], node_id=gang[0].node_id).kept == {gang[0].pk}


def test_a_gang_and_a_job_on_one_node_are_claimed_in_one_go(gang):
    single = builders.placement(node=gang[0].node)

    won = claims.claim([ref(gang[0]), ref(single)], node_id=gang[0].node_id)

    assert {one.placement_id for one in won} == {gang[0].pk, single.pk}
    assert single.attempt.job.pk in Job.objects.filter(state="assigned").values_list("pk", flat=True)


@pytest.mark.django_db(transaction=True)
def test_members_claimed_at_the_same_moment_complete_the_gang_once():
    nodes = [builders.node() for _ in range(4)]
    for _ in range(5):
        gang = builders.gang(*nodes)
        together(claim, gang)

        assert Job.objects.get(pk=gang[0].attempt.job_id).state == JobState.ASSIGNED
        assert JobEvent.objects.filter(job=gang[0].attempt.job_id, kind="claimed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_members_that_end_at_the_same_moment_end_the_attempt_once():
    nodes = [builders.node() for _ in range(4)]
    for _ in range(5):
        gang = builders.gang(*nodes, state=PlacementState.RUNNING)
        together(lambda member: end(member, EndReason.COMPLETED, exit_code=0), gang)

        done = Job.objects.get(pk=gang[0].attempt.job_id)
        assert (done.state, done.exit_code) == ("completed", 0)
        assert JobEvent.objects.filter(job=done, kind="completed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_and_the_end_of_the_wait_at_the_same_moment_agree(settings):
    settings.GANG_START_SECONDS = 0
    nodes = [builders.node(heartbeat=timezone.now() + timedelta(minutes=5)) for _ in range(2)]
    for _ in range(10):
        gang = builders.gang(*nodes)
        claim(gang[0])
        together(lambda step: step(), [lambda gang=gang: claim(gang[1]), end_late_gangs])

        now = Job.objects.get(pk=gang[0].attempt.job_id)
        seen = list(Placement.objects.filter(attempt__job=now).order_by("rank").values_list("state", flat=True))
        assert (now.state, seen, now.desired) in (
            ("assigned", ["claimed", "claimed"], ""),
            ("queued", ["claimed", "closed"], "end"),
        )


@transaction.atomic
def end_late_gangs() -> None:
    sweep._end_late_gangs()


def together(step, subjects) -> None:
    start = threading.Barrier(len(subjects))

    def run(subject) -> None:
        start.wait()
        step(subject)
        connection.close()

    threads = [threading.Thread(target=run, args=(subject,)) for subject in subjects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_the_first_start_is_the_job_s(gang):
    for member in gang:
        claim(member)
    now = timezone.now()

    claims.started({ref(gang[1]): now}, node_id=gang[1].node_id)
    claims.started({ref(gang[0]): now + timedelta(seconds=5)}, node_id=gang[0].node_id)

    assert (job().state, job().started_at, states()) == (JobState.RUNNING, now, ["running", "running"])
    assert last_attempt().started_at == now
    assert JobEvent.objects.filter(kind="started").count() == 1


# A node that does not take its part


def late(settings) -> sweep.Recovered:
    settings.LEASE_SECONDS = 0.01
    settings.LEASE_MARGIN_SECONDS = 0.01
    Attempt.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    return sweep.recover()


@pytest.fixture
def alive(gang):
    for member in gang:
        type(member.node).objects.update(last_heartbeat_at=timezone.now() + timedelta(minutes=5))
    return gang


def test_a_gang_that_waited_too_long_gives_everything_back(alive, settings):
    claim(alive[0])
    Placement.objects.filter(rank=0).update(lease_expires_at=timezone.now() + timedelta(minutes=5))

    assert late(settings).late == 1
    assert (job().state, states(), job().desired) == ("queued", ["claimed", "closed"], "end")
    assert claim(alive[1]) == []
    assert gangs.complete([alive[0].attempt_id]) == frozenset()

    end(alive[0], EndReason.GANG_ENDED)
    now = job()
    assert (now.state, now.retries_used, now.platform_retries_used, now.desired) == ("pending", 0, 0, "")
    assert (last_attempt().end_reason, states()) == ("start_failed", ["closed", "closed"])
    assert last_attempt().message.startswith("Rank 1 on n1: Did not take its part within 60 seconds")


def test_one_that_nobody_claimed_goes_back_in_line_at_once(alive, settings):
    late(settings)

    assert (job().state, states()) == ("pending", ["closed", "closed"])
    assert "Rank 0 on n0 and Rank 1 on n1" in last_attempt().message


def test_a_gang_that_is_complete_is_never_late(alive, settings):
    for member in alive:
        claim(member)
    Placement.objects.update(lease_expires_at=timezone.now() + timedelta(minutes=5))

    assert late(settings) == sweep.Recovered()


def test_members_that_nobody_claimed_are_published_again_each(alive, settings):
    Placement.objects.update(published_at=timezone.now() - timedelta(seconds=30))
    settings.LEASE_SECONDS = 1

    assert sweep._republish() == 2


def test_a_node_that_goes_down_before_its_claim_ends_the_wait_for_free(gang):
    claim(gang[0])
    type(gang[1].node).objects.filter(pk=gang[1].node_id).update(state="down")

    sweep.release_unclaimed()
    assert (job().desired, states()) == ("end", ["claimed", "closed"])

    end(gang[0], EndReason.GANG_ENDED)
    assert (job().state, job().platform_retries_used) == ("pending", 0)


# Ending


def test_a_gang_completes_when_all_members_have(running):
    end(running[1], EndReason.COMPLETED, exit_code=0)
    assert (job().state, states(), job().desired) == ("running", ["running", "closed"], "")
    assert last_attempt().ended_at is None

    end(running[0], EndReason.COMPLETED, exit_code=0)
    assert (job().state, job().exit_code, last_attempt().end_reason) == ("completed", 0, "completed")


def test_one_failure_ends_the_attempt_when_the_others_have_stopped(running):
    crash(running[1], exit_code=3)
    assert (job().state, job().desired, states()) == ("running", "end", ["running", "closed"])
    assert (last_attempt().end_reason, last_attempt().ended_at) == ("exit_code", None)
    assert claims.desired([running[0].pk]) == {running[0].pk: "end"}

    end(running[0], EndReason.GANG_ENDED, exit_code=143)
    assert (job().state, job().exit_code, job().end_reason) == ("failed", 3, "exit_code")
    assert job().message.startswith("Rank 1 on n1: ")
    assert last_attempt().exit_code == 3


def test_the_first_failure_is_the_job_s(running):
    crash(running[0], exit_code=7)
    crash(running[1], exit_code=1)

    assert (job().exit_code, job().message[:13]) == (7, "Rank 0 on n0:")


def test_failures_that_are_reported_together_are_one_end(running):
    finish([PlacementOutcome(ref(member), EndReason.EXIT_CODE, exit_code=4) for member in running])

    assert (job().state, job().exit_code) == ("failed", 4)
    assert JobEvent.objects.filter(kind="failed").count() == 1


def test_the_job_is_never_planned_again_before_all_members_are_gone(running):
    Job.objects.update(max_retries=1)
    crash(running[1])
    assert job_rows.read().waiting == ()
    [still] = job_rows.running()
    assert [share.node for share in still.shares] == ["n0"]

    end(running[0], EndReason.GANG_ENDED)
    assert (job().state, job().retries_used) == ("pending", 1)
    assert job_rows.running() == ()


@pytest.mark.parametrize(
    "cause", [EndReason.NODE_LOST, EndReason.OUT_OF_MEMORY, EndReason.PREEMPTED, EndReason.TIMEOUT]
)
def test_what_became_of_a_peer_explains_why_another_member_crashed(running, cause):
    """A command that loses its peer exits with an error, often before the peer's end is known."""
    crash(running[0])
    end(running[1], cause)

    assert last_attempt().end_reason == cause


def test_a_crash_after_a_lost_node_explains_nothing(running):
    end(running[1], EndReason.NODE_LOST)
    crash(running[0])

    now = job()
    assert (now.state, now.platform_retries_used, now.retries_used) == ("pending", 1, 0)
    assert last_attempt().end_reason == "node_lost"


def test_a_lost_member_stops_the_others_before_the_retry(running, settings):
    settings.LEASE_SECONDS = settings.LEASE_MARGIN_SECONDS = 0.01
    Placement.objects.filter(rank=1).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    Placement.objects.filter(rank=0).update(lease_expires_at=timezone.now() + timedelta(minutes=1))

    assert sweep.recover().lost == 1
    assert (job().state, job().desired, states()) == ("running", "end", ["running", "closed"])

    end(running[0], EndReason.GANG_ENDED)
    assert (job().state, last_attempt().end_reason) == ("pending", "node_lost")


def test_a_gang_whose_nodes_are_all_lost_ends_once(running, settings):
    settings.LEASE_SECONDS = settings.LEASE_MARGIN_SECONDS = 0.01
    Placement.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))

    assert sweep.recover().lost == 2
    assert (job().state, job().platform_retries_used) == ("pending", 1)


def test_the_second_report_of_a_member_changes_nothing(running):
    crash(running[1])

    assert crash(running[1]) == frozenset()
    assert end(replace_token(running[0]), EndReason.COMPLETED) == frozenset()
    assert job().state == "running"


def replace_token(member: Placement) -> Placement:
    stale = Placement.objects.select_related("attempt").get(pk=member.pk)
    stale.attempt.token = "11111111-1111-1111-1111-111111111111"
    return stale


# What people and nodes wish


@pytest.mark.parametrize("claimed", [0, 1, 2])
def test_a_gang_is_cancelled_whole_at_any_time(gang, claimed):
    for member in gang[:claimed]:
        claim(member)

    actions.cancel(job_id=job().pk, actor="ann")
    for member in gang[:claimed]:
        assert claims.desired([member.pk]) == {member.pk: "cancel"}
        end(member, EndReason.CANCELLED)

    assert (job().state, last_attempt().end_reason) == ("cancelled", "cancelled")
    assert states() == ["closed", "closed"]


@pytest.mark.parametrize("claimed", [0, 1, 2])
def test_a_gang_is_requeued_whole_at_any_time(gang, claimed):
    for member in gang[:claimed]:
        claim(member)

    actions.requeue(job_id=job().pk, actor="ann")
    for member in gang[:claimed]:
        end(member, EndReason.PREEMPTED)

    assert (job().state, job().platform_retries_used, states()) == ("pending", 0, ["closed", "closed"])


def test_an_owner_s_wish_is_stronger_than_the_end_of_a_member(running):
    crash(running[1])
    actions.cancel(job_id=job().pk, actor="ann")
    end(running[0], EndReason.GANG_ENDED)

    assert job().state == "cancelled"


@pytest.mark.parametrize("wish", ["preempt", "requeue"])
def test_a_member_that_crashes_because_its_peer_gave_way_fails_nothing(running, wish):
    """Rank 0 wrote its checkpoint and left before the node of rank 1 had heard of it."""
    Job.objects.update(desired=wish, progress=0.5)
    end(running[0], EndReason.COMPLETED, exit_code=0, asked=True)
    crash(running[1])

    assert (job().state, job().retries_used, last_attempt().end_reason) == ("pending", 0, "preempted")


def test_a_node_that_drains_takes_its_gangs_along(running):
    gangs.stop_all([running[0].attempt_id], "requeue")
    assert claims.desired([running[1].pk]) == {running[1].pk: "requeue"}

    crash(running[1])
    end(running[0], EndReason.PREEMPTED)
    assert (job().state, job().retries_used) == ("pending", 0)


def test_a_stale_member_wishes_nothing_of_the_next_attempt(running):
    for member in running:
        end(member, EndReason.PREEMPTED)

    gangs.stop_all([running[0].attempt_id], "requeue")
    assert job().desired == ""
