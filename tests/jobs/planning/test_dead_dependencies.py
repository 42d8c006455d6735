"""Jobs whose dependencies can no longer come true end with the root cause on record, and nobody else does."""

from itertools import pairwise, product

import pytest
from django.utils import timezone

from jobs.attempts import completion
from jobs.control import actions, bulk, verbs
from jobs.control.verbs import ActionRequest
from jobs.models import Job, JobDependency, JobEvent, Placement, standings
from jobs.planning import cycle, dead_dependencies
from jobs.planning.dead_dependencies import cancel_dead
from jobs.recovery import sweep
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError
from scheduling.lifecycle import EndReason, JobState
from scheduling.planning.dependencies import After, Link
from tests import builders

pytestmark = pytest.mark.django_db


def state_of(job: Job) -> tuple[str, str, int | None]:
    job.refresh_from_db()
    return job.state, job.end_reason, job.root_cause


def chain(length: int, first: Job) -> list[Job]:
    """Jobs of which each needs the one before."""
    rows = [Job(name=f"link{n}", project=first.project, queue=first.queue, command=["true"]) for n in range(length)]
    jobs = [first, *Job.objects.bulk_create(rows)]
    JobDependency.objects.bulk_create(JobDependency(job=job, needs=needed) for needed, job in pairwise(jobs))
    return jobs[1:]


def test_a_cycle_ends_the_job_whose_dependency_failed_and_tells_the_root():
    failed = builders.job(state="failed", name="prepare")
    job = builders.job(depends_on=[failed])
    cycle.run_cycle()

    assert state_of(job) == ("cancelled", "dependency_failed", failed.pk)
    assert job.message == f"It depends on job {failed.pk}, which failed."
    event = JobEvent.objects.get(job=job)
    assert (event.kind, event.from_state, event.to_state) == ("cancelled", "pending", "cancelled")
    assert (event.message, event.data["root"], event.data["needs"]) == (job.message, failed.pk, failed.pk)


def test_the_whole_chain_ends_and_each_names_the_root():
    first = builders.job(state="failed")
    second, third = chain(2, first)
    cancel_dead()

    assert state_of(second) == state_of(third) == ("cancelled", "dependency_failed", first.pk)
    assert third.message == f"It depends on job {second.pk}, which was cancelled because job {first.pk} failed."


def test_who_comes_later_is_told_the_same_root():
    first = builders.job(state="failed")
    [second] = chain(1, first)
    cancel_dead()
    third = builders.job(depends_on=[second])
    cancel_dead()

    assert state_of(third) == ("cancelled", "dependency_failed", first.pk)


def test_a_job_that_somebody_cancelled_is_a_root_without_a_failure():
    cancelled = builders.job(state="cancelled", end_reason="cancelled")
    job, behind = chain(2, cancelled)
    cancel_dead()

    assert state_of(job) == state_of(behind) == ("cancelled", "cancelled", cancelled.pk)
    assert behind.message == f"It depends on job {job.pk}, which was cancelled because of job {cancelled.pk}."


def test_hundreds_in_a_row_end_in_a_fixed_number_of_statements(django_assert_max_num_queries):
    jobs = chain(500, builders.job(state="failed"))
    with django_assert_max_num_queries(16):
        assert cancel_dead() == 500

    assert set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state")) == {("cancelled",)}
    assert JobEvent.objects.filter(kind="cancelled").count() == 500


def test_a_chain_longer_than_one_transaction_ends_in_several(monkeypatch):
    monkeypatch.setattr(dead_dependencies, "AT_ONCE", 7)
    chain(30, builders.job(state="failed"))

    assert cancel_dead() == 30


def test_a_job_that_is_to_wait_waits_and_so_does_who_needs_it():
    failed = builders.job(state="failed")
    job = builders.job(depends_on=[failed], on_dependency_failure="wait")
    behind = builders.job(depends_on=[job])
    cycle.run_cycle()

    assert state_of(job)[0] == state_of(behind)[0] == "pending"
    assert [job.reasons[0]["code"], behind.reasons[0]["code"]] == ["dependency_failed", "dependency_failed"]


@pytest.mark.parametrize(
    "fields", [{"state": "paused"}, {"held_at": timezone.now(), "held_by": "ann"}], ids=["paused", "held"]
)
def test_a_job_that_rests_ends_too(fields):
    job = builders.job(depends_on=[builders.job(state="failed")], **fields)
    sweep.recover()

    assert state_of(job)[0] == "cancelled"
    assert job.held_at is None


def test_the_sweep_ends_what_no_cycle_saw():
    job = builders.job(depends_on=[builders.job(state="failed")])

    assert sweep.recover().in_vain == 1
    assert state_of(job)[0] == "cancelled"


def test_an_end_with_retries_left_ends_nobody():
    running = builders.running_job(max_retries=1)
    job = builders.job(depends_on=[running])
    row = Placement.objects.select_related("attempt").get()
    completion.finish(
        [PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.EXIT_CODE, exit_code=1)]
    )
    cancel_dead()

    assert (state_of(running)[0], state_of(job)[0]) == ("pending", "pending")


def test_a_failed_job_that_is_requeued_ends_nobody():
    failed = builders.job(state="failed")
    job = builders.job(depends_on=[failed])
    actions.requeue(job_id=failed.pk, actor="ann")
    cancel_dead()

    assert state_of(job)[0] == "pending"


def test_who_ended_so_can_be_requeued_with_the_root_and_forgets_it():
    failed = builders.job(state="failed")
    job = builders.job(depends_on=[failed])
    cancel_dead()
    for one in (failed, job):
        actions.requeue(job_id=one.pk, actor="ann")
    cancel_dead()

    assert state_of(job) == ("pending", "", None)


def test_who_would_only_end_again_is_not_requeued_and_told_why():
    failed = builders.job(state="failed")
    second, third = chain(2, failed)
    cancel_dead()
    with pytest.raises(ConflictError) as refusal:
        actions.requeue(job_id=third.pk, actor="ann")

    assert str(refusal.value) == (
        f"Job {third.pk} would end again at once. It depends on job {second.pk}, which was cancelled because job {failed.pk} failed."
        " Requeue what it depends on first, or in the same call."
    )
    assert state_of(third) == ("cancelled", "dependency_failed", failed.pk)


def test_a_running_job_is_not_stopped_to_wait_in_vain():
    needed = builders.job(state="completed")
    job = builders.job(state="running", depends_on=[needed])
    Job.objects.filter(pk=needed.pk).update(state="failed")
    with pytest.raises(ConflictError, match="would end again"):
        actions.requeue(job_id=job.pk, actor="ann")


def test_who_wants_to_wait_for_it_is_requeued_all_the_same():
    job = builders.job(state="failed", depends_on=[builders.job(state="failed")], on_dependency_failure="wait")
    assert actions.requeue(job_id=job.pk, actor="ann").state == "pending"


def backward_chain() -> list[int]:
    """Of three that ended: the one that failed, who needs it, and who needs that; in a batch the last may have the first number."""
    last, failed = builders.job(), builders.job(state="failed")
    [middle] = chain(1, failed)
    JobDependency.objects.create(job=last, needs=middle)
    cancel_dead()
    return [failed.pk, middle.pk, last.pk]


@pytest.mark.parametrize("at_once", [1, 1_000])
@pytest.mark.parametrize("ask", [bulk.grant, bulk.preview])
def test_a_chain_is_requeued_in_one_call_in_any_order(monkeypatch, at_once, ask):
    monkeypatch.setattr(bulk, "AT_ONCE", at_once)
    outcome = ask(verbs.requeue, backward_chain(), ActionRequest("ann"))
    assert (len(outcome.changed), outcome.refusals) == (3, {})


@pytest.mark.parametrize("ask", [bulk.grant, bulk.preview])
def test_without_its_root_none_of_a_chain_is(ask):
    _, *behind = backward_chain()
    assert ask(verbs.requeue, behind, ActionRequest("ann")).refusals.keys() == set(behind)


@pytest.mark.parametrize(
    ("after", "state", "outcome"),
    [
        ("any", "failed", "queued"), ("any", "cancelled", "queued"), ("any", "completed", "queued"),
        ("failed", "failed", "queued"), ("failed", "completed", "cancelled"), ("failed", "cancelled", "cancelled"),
        ("ok", "completed", "queued"), ("ok", "cancelled", "cancelled"),
    ],
)  # fmt: skip
def test_how_the_needed_job_has_to_end(after, state, outcome):
    builders.node()
    job = builders.job(depends_on=[builders.job(state=state)], after=after)
    cycle.run_cycle()

    assert state_of(job)[0] == outcome


def test_a_clean_up_after_a_failure_also_runs_for_a_job_that_a_failure_kept_from_running():
    builders.node()
    [train] = chain(1, builders.job(state="failed"))
    tidy, report = (builders.job(depends_on=[train], after=after) for after in ("failed", "any"))
    cycle.run_cycle()
    cycle.run_cycle()

    assert [state_of(job)[0] for job in (train, tidy, report)] == ["cancelled", "queued", "queued"]


def test_a_failure_that_can_no_longer_happen_is_told():
    done = builders.job(state="completed")
    job = builders.job(depends_on=[done], after="failed")
    cancel_dead()

    assert state_of(job) == ("cancelled", "cancelled", done.pk)
    assert job.message == f"It was to start once job {done.pk} had failed, but job {done.pk} completed."


def test_statements_and_the_core_agree_on_how_a_dependency_stands():
    reasons = ("", "cancelled", "dependency_failed")
    worlds = [
        (builders.job(depends_on=[builders.job(state=state, end_reason=reason)], after=after), after, state, reason)
        for after, state, reason in product(After, JobState, reasons)
    ]
    told = standings.dependencies()
    for job, after, state, reason in worlds:
        standing = Link(1, 2, after, state, for_failure=reason == "dependency_failed").standing
        found = [name for name in ("unmet", "broken") if job.pk in told[name]]
        assert found == {"met": [], "unmet": ["unmet"], "dead": ["broken"]}[standing], (after, state, reason)
