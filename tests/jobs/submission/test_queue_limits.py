"""What a queue takes, at submission and by changes: how long, how large, how urgent, of whom, and how many of a user."""

import threading

import pytest
from django.db import connection

from jobs.control import actions, bulk, verbs
from jobs.control.verbs import ActionRequest
from jobs.models import Job
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from scheduling.errors import ConflictError, InvalidError
from tests import builders
from tests.changing import change
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return builders.project(slug="team", parent=builders.project(slug="organisation"))


@pytest.fixture
def ann(team):
    return builders.member(project=team, user=builders.user(username="ann"))


def spec(**fields):
    return JobSpec(**({"name": "train", "project": "team", "command": ("true",), "queue": "night"} | fields))


def refused(owner, *specs):
    with pytest.raises(InvalidError) as caught:
        submit(specs=list(specs), owner=owner)
    return {one.field: one.message for one in caught.value.errors}


@pytest.mark.parametrize(
    ("limits", "fields", "field", "message"),
    [
        ({"max_gpus": 4}, {"gpus": 3, "nodes": 2}, "resources.gpus", "Queue night allows a job at most 4 GPUs in all."),
        ({"max_cpus": 1}, {"cpus": 2}, "resources.cpus", "Queue night allows a job at most 1 CPU in all."),
        ({"max_memory_mb": 1024}, {"memory_mb": 2048}, "resources.memory_gb", "Queue night allows a job at most 1 GB of memory in all."),
        ({"max_nodes": 1}, {"nodes": 2}, "resources.nodes", "Queue night allows a job at most 1 node in all."),
        ({"max_runtime_seconds": 60}, {"max_runtime_seconds": 61}, "max_runtime_seconds", "Queue night allows at most 60 s."),
        ({"max_priority_member": 70}, {"priority": 71}, "priority", "In queue night a project's member may use priorities up to 70."),
        ({"max_priority_member": 70}, {"priority": "urgent"}, "priority", "In queue night a project's member may use priorities up to 70."),
    ],
)  # fmt: skip
def test_what_is_beyond_a_limit_is_refused_by_name(ann, limits, fields, field, message):
    builders.queue(name="night", **limits)

    assert refused(ann, spec(**fields)) == {field: message}


def test_an_admin_may_be_more_urgent_than_a_member(team, ann):
    builders.queue(name="night", max_priority_member=50, max_priority_admin=90)
    boss = builders.member(project=team.parent, role="admin")

    assert submit(specs=[spec(priority=90)], owner=boss)
    assert set(refused(boss, spec(priority=91))) == set(refused(ann, spec(priority=51))) == {"priority"}


@pytest.mark.parametrize(
    ("limits", "gets"),
    [
        ({"default_runtime_seconds": 60, "max_runtime_seconds": 600}, 60),
        ({"max_runtime_seconds": 600}, 600),
        ({"default_runtime_seconds": 60}, 60),
        ({}, None),
    ],
)
def test_a_job_that_names_no_time_limit_gets_the_queue_s(ann, limits, gets):
    builders.queue(name="night", **limits)

    assert submit(specs=[spec()], owner=ann)[0].job.max_runtime_seconds == gets


def test_a_queue_may_be_for_some_projects_and_all_below_them(ann, team):
    queue = builders.queue(name="night")
    queue.allowed_projects.add(builders.project(slug="other"))
    assert refused(ann, spec()) == {"queue": "Queue night is for other and the projects below."}

    queue.allowed_projects.add(team.parent)
    assert submit(specs=[spec()], owner=ann)


def test_a_user_s_waiting_jobs_are_limited(ann, team):
    queue = builders.queue(name="night", max_waiting_per_user=2)
    builders.job(queue=queue, project=team)  # somebody else's
    submit(specs=[spec()], owner=ann)

    assert refused(ann, spec(), spec()) == {"queue": "Queue night allows a user 2 waiting jobs (1 now)."}
    assert len(submit(specs=[spec()], owner=ann)) == 1
    assert "queue" in refused(ann, spec())


@pytest.mark.django_db(transaction=True)
def test_submissions_that_race_take_no_more_waiting_places_than_there_are(ann):
    builders.queue(name="night", max_waiting_per_user=3)
    together, taken = threading.Barrier(6), []

    def ask():
        together.wait()
        try:
            taken.extend(submit(specs=[spec()], owner=ann))
        except InvalidError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(taken) == Job.objects.count() == 3


def test_a_change_does_not_get_round_a_limit(ann):
    builders.queue(name="night", max_priority_member=50, max_runtime_seconds=60, max_cpus=1)
    job = submit(specs=[spec(queue="default", cpus=2, priority=40)], owner=ann)[0].job
    small = submit(specs=[spec(priority=40)], owner=ann)[0].job

    for changes in ({"queue": "night"}, {"queue": "night", "max_runtime_seconds": 60}):
        with pytest.raises(ConflictError, match=f"Job {job.pk} stays as it is. Queue night allows a job at most 1 CPU"):
            change(job_id=job.pk, actor="ann", **changes)
    with pytest.raises(ConflictError, match="may use priorities up to 50"):
        change(job_id=small.pk, actor="ann", priority=51)
    with pytest.raises(ConflictError, match="allows at most 60 s"):
        change(job_id=small.pk, actor="ann", max_runtime_seconds=61)
    assert change(job_id=small.pk, actor="ann", priority=50).priority == 50


def test_of_many_jobs_those_change_that_stay_within_the_limits(ann):
    builders.queue(name="night", max_cpus=1)
    wide, narrow = (submit(specs=[spec(queue="default", cpus=cpus)], owner=ann)[0].job for cpus in (2, 1))
    night = actions.columns_of({"queue": "night"})

    outcome = bulk.grant(verbs.change, [wide.pk, narrow.pk], ActionRequest("ann", columns=night))

    assert (list(outcome.changed), list(outcome.refusals)) == ([narrow.pk], [wide.pk])


def test_a_limit_that_came_later_keeps_nobody_from_other_changes(ann):
    queue = builders.queue(name="night")
    job = submit(specs=[spec(priority=90, cpus=2)], owner=ann)[0].job
    queue.max_cpus, queue.max_priority_member = 1, 50
    queue.save()

    assert change(job_id=job.pk, actor="ann", name="other", priority=80).priority == 80


def test_staff_set_the_limits_and_everybody_sees_them(team):
    staff = client_of(builders.user(staff=True))
    limits = {
        "max_runtime_seconds": 3600, "default_runtime_seconds": 60, "max_gpus": 8, "max_cpus": 64, "max_memory_gb": 1.5,
        "max_nodes": 2, "max_waiting_per_user": 10, "max_priority_member": 70, "max_priority_admin": 90,
        "allowed_projects": ["team"],
    }  # fmt: skip
    made = staff.post(f"{V1}/queues", {"name": "night", **limits}).json()

    assert made | limits == made
    assert client_of(builders.user()).get(f"{V1}/queues/night").json() | limits == made
    changed = staff.patch(f"{V1}/queues/night", {"allowed_projects": [], "max_gpus": None}).json()
    assert (changed["allowed_projects"], changed["max_gpus"], changed["max_cpus"]) == ([], None, 64)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_gpus": -1}, "max_gpus"),
        ({"max_memory_gb": "much"}, "max_memory_gb"),
        ({"max_runtime_seconds": 0}, "max_runtime_seconds"),
        ({"max_priority_member": 101}, "max_priority_member"),
        ({"max_runtime_seconds": 60, "default_runtime_seconds": 61}, "default_runtime_seconds"),
        ({"default_runtime_seconds": 7200}, "max_runtime_seconds"),
        ({"allowed_projects": ["nobody"]}, "allowed_projects"),
        ({"max_waiting_per_user": 1e308}, "max_waiting_per_user"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_by_name(body, field):
    builders.queue(name="night", max_runtime_seconds=3600)

    assert field in faults(client_of(builders.user(staff=True)).patch(f"{V1}/queues/night", body))


def test_a_quote_is_held_to_the_limits_too(ann):
    builders.queue(name="night", max_gpus=1)
    body = {"name": "a", "project": "team", "command": ["true"], "queue": "night", "resources": {"gpus": 2}}

    assert "resources.gpus" in faults(client_of(ann).post(f"{V1}/jobs/quote", body))
