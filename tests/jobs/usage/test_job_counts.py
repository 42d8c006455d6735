"""What jobs have done, in numbers that only grow: the same however much of it is written down, and whatever is deleted."""

from datetime import timedelta
from math import inf

import pytest
from django.db import connection
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control.actions import requeue
from jobs.control.job_deletion import delete
from jobs.models import Job, JobCount, JobCountProgress, JobEvent, Placement, Preemption
from jobs.planning.cycle import run_cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from jobs.usage import job_counts
from jobs.usage.counted_events import arguments
from jobs.usage.job_counts import Count
from scheduling.lifecycle import EndReason, JobState
from tests import builders
from tests.racing import beside

MINUTE = timedelta(minutes=1)


def submitted(**fields):
    job = builders.job(**fields)
    builders.event(job=job, kind="submitted", to_state=JobState.PENDING, at=job.created_at)
    return job


def ran(job, reason=EndReason.COMPLETED):
    """From its place in line to the end of an attempt, by the steps of the platform."""
    run_cycle()
    placement = Placement.objects.select_related("attempt").get(attempt__job=job, closed_at__isnull=True)
    ref = PlacementRef(placement.pk, str(placement.attempt.token))
    claims.claim([ref], node_id=placement.node_id)
    code = 0 if reason == EndReason.COMPLETED else 1
    finish([PlacementOutcome(ref, reason, exit_code=code, started_at=timezone.now())])
    return job


def numbers():
    """How often what happened, whatever bucket it is in."""
    found: dict[tuple[str, str], int] = {}
    for one in job_counts.counts():
        found[one.series, one.label] = found.get((one.series, one.label), 0) + one.number
    return found


def buckets(series):
    return {(one.label, one.at_most): one.number for one in job_counts.counts() if one.series == series}


@pytest.mark.django_db
def test_ends_attempts_and_retries_are_counted_by_what_became_of_them():
    builders.node()
    ran(submitted())
    ran(submitted(max_retries=1), EndReason.EXIT_CODE)
    found = numbers()
    assert (found["submitted", ""], found["ended", "completed"]) == (2, 1)
    assert ("ended", "failed") not in found
    assert (found["attempts", "completed"], found["attempts", "exit_code"]) == (1, 1)
    assert found["retries", "owner"] == 1
    assert (found["wait", "cpu"], found["run", "cpu"], found["duration", "cpu"], found["claim", ""]) == (2, 2, 1, 2)
    assert (found["decisions", "place"], found["cycle", ""]) == (2, 2)


@pytest.mark.django_db
def test_a_job_that_is_requeued_has_ended_all_the_same_and_ends_again():
    builders.node()
    job = ran(submitted())
    before = numbers()
    requeue(job_id=job.pk, actor="ada")
    assert numbers() == before
    job.refresh_from_db()
    ran(job)
    assert numbers()["ended", "completed"] == 2


@pytest.mark.django_db
def test_a_wait_begins_when_nothing_but_the_platform_keeps_a_job():
    """Three minutes after it was submitted what it needs had ended; its next try was held back for one of four minutes."""
    now = timezone.now()
    needed = submitted(state="completed", created_at=now - 9 * MINUTE)
    builders.event(job=needed, kind="completed", to_state="completed", at=now - 6 * MINUTE)
    job = submitted(created_at=now - 9 * MINUTE, depends_on=[needed], gpus=1)
    builders.event(job=job, kind="started", to_state="running", attempt=1, at=now - 4 * MINUTE - timedelta(seconds=10))
    builders.event(job=job, kind="requeued", from_state="running", to_state="pending", attempt=1,
                   at=now - 4 * MINUTE, data={"delay_seconds": 60, "paid_by": "owner", "end_reason": "exit_code"})  # fmt: skip
    builders.event(job=job, kind="started", to_state="running", attempt=2, at=now)
    assert buckets("wait") == {("gpu", 300): 2}
    total = sum(one.seconds for one in job_counts.counts() if one.series == "wait")
    assert total == pytest.approx(110 + 180)


@pytest.mark.django_db
def test_what_takes_as_long_as_a_bucket_says_is_in_it_and_what_takes_longer_in_the_next():
    now = timezone.now()
    for seconds in (60, 61, 10**7):
        job = submitted(created_at=now - timedelta(seconds=seconds))
        builders.event(job=job, kind="cancelled", from_state="pending", to_state="cancelled", at=now)
    assert buckets("duration") == {("cpu", 60): 1, ("cpu", 300): 1, ("cpu", inf): 1}


@pytest.mark.django_db
def test_a_cycle_is_counted_however_long_it_takes():
    for seconds in (0.001, 0.6, 2.0, 60.0, 100.0):
        job_counts.add([job_counts.observed("cycle", seconds), Count("decisions", "place", inf, 1, 0.0)])
    assert buckets("cycle") == {("", bound): 1 for bound in (0.005, 1, 2.5, 60, inf)}


@pytest.mark.django_db(transaction=True)
def test_it_is_the_same_before_and_after_it_is_written_down_and_is_written_down_once():
    builders.node()
    ran(submitted())
    before = numbers()
    assert before["ended", "completed"] == 1
    assert sum(job_counts.fold() for _ in range(3)) > 0  # the first look says only which events there are
    assert JobCount.objects.filter(series="ended", count=1).exists()
    assert numbers() == before
    assert job_counts.fold() == 0
    ran(submitted())
    job_counts.fold(), job_counts.fold()
    assert numbers()["ended", "completed"] == 2
    assert JobCount.objects.get(series="ended", label="completed").count == 2


@pytest.mark.django_db(transaction=True)
def test_an_event_that_appears_after_later_ones_is_counted_too():
    """Its transaction was open while others came, and were written down as far as that could be."""
    late = []

    def others():
        for _ in range(3):
            submitted()
            job_counts.fold()
        return numbers()["submitted", ""], JobCountProgress.objects.get().counted_until

    seen, counted_until = beside(lambda: late.append(submitted()), others)
    assert seen == 3
    assert counted_until < JobEvent.objects.get(job=late[0]).pk
    assert numbers()["submitted", ""] == 4
    job_counts.fold(), job_counts.fold()
    assert JobCountProgress.objects.get().counted_until == JobEvent.objects.latest("pk").pk
    assert numbers()["submitted", ""] == 4


@pytest.mark.django_db
def test_what_is_deleted_before_it_was_written_down_stays_counted():
    builders.node()
    job, other = ran(submitted()), ran(submitted())
    before = numbers()
    assert delete(Job.objects.filter(pk=job.pk)) == 1
    assert numbers() == before
    assert JobCount.objects.get(series="ended").count == 1
    assert delete(Job.objects.filter(pk=other.pk)) == 1
    assert numbers() == before


def preempted(strategy, *, end="preempted"):
    """A job of which an attempt was told to give way; one that still runs, without an end."""
    over = {"ended_at": timezone.now(), "end_reason": end} if end else {}
    job = builders.job(state=JobState.CANCELLED if end else JobState.RUNNING)
    Preemption.objects.create(attempt=builders.attempt(job=job, **over), strategy=strategy, lost_seconds=90)
    return job


def given_way():
    """By series and strategy: how often, and the seconds."""
    sums: dict[tuple[str, str], list[float]] = {}
    for one in job_counts.counts():
        if one.series in ("preemptions", "preempted"):
            known = sums.setdefault((one.series, one.label), [0, 0.0])
            known[0], known[1] = known[0] + one.number, known[1] + one.seconds
    return {key: tuple(value) for key, value in sums.items()}


ALL_GAVE_WAY = {
    ("preemptions", "priority"): (3, 0), ("preempted", "priority"): (2, 180), ("preemptions", "reclaim"): (1, 0),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("folds", [0, 1, 2], ids="after {} folds".format)
def test_preemptions_stay_counted_when_their_jobs_are_deleted(folds):
    jobs = [preempted("priority"), preempted("priority"), preempted("priority", end="completed")]
    running = preempted("reclaim", end="")
    for _ in range(folds):
        job_counts.fold()
    assert given_way() == ALL_GAVE_WAY
    for job in jobs:
        assert delete(Job.objects.filter(pk=job.pk)) == 1
        assert given_way() == ALL_GAVE_WAY
    assert list(Preemption.objects.values_list("attempt__job", "counted")) == [(running.pk, False)]


@pytest.mark.django_db
def test_a_preemption_that_was_counted_while_it_could_still_change_is_counted_once():
    running = preempted("priority", end="")
    job_counts.fold()
    running.attempts.update(ended_at=timezone.now(), end_reason="preempted")
    for _ in range(2):
        job_counts.fold()
        assert given_way() == {("preemptions", "priority"): (1, 0), ("preempted", "priority"): (1, 90)}
    assert Preemption.objects.get().counted


@pytest.mark.django_db(transaction=True)
def test_a_fold_beside_a_deletion_counts_nothing_twice():
    """The deletion holds the row of progress, or the rows that the fold would count: it leaves them alone."""
    first, second = preempted("priority"), preempted("priority")
    beside(lambda: delete(Job.objects.filter(pk=first.pk)), job_counts.fold)
    job_counts.fold()
    assert given_way() == {("preemptions", "priority"): (2, 0), ("preempted", "priority"): (2, 180)}
    assert Preemption.objects.get(attempt__job=second).counted


@pytest.mark.django_db
def test_what_was_noted_in_another_cluster_is_noted_anew():
    """A backup was restored: there are fewer transactions than had been noted."""
    JobCountProgress.objects.update(next_until=5, when_over=2**60)
    job_counts.fold()
    assert JobCountProgress.objects.get().when_over < 2**60


@pytest.mark.django_db
def test_few_are_looked_at_however_many_have_been():
    job = submitted()
    JobEvent.objects.bulk_create(JobEvent(job=job, kind="state", to_state=JobState.RUNNING) for _ in range(3000))
    JobCountProgress.objects.update(counted_until=JobEvent.objects.latest("id").pk - 3)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_jobevent")
        cursor.execute(f"EXPLAIN {job_counts.ALL}", arguments())
        plan = "\n".join(line for [line] in cursor.fetchall())
    assert "Index Scan using jobs_jobevent_pkey on jobs_jobevent event" in plan, plan
