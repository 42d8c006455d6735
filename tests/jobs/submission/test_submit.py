"""Jobs are taken in whole, or not at all."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Job, JobEvent
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from quotas.models import Quota
from scheduling.errors import ForbiddenError, InvalidError
from scheduling.lifecycle import JobState
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def owner(project):
    return builders.member(project=project)


def spec(**fields) -> JobSpec:
    return JobSpec(**{"name": "train", "project": "vision", "command": ("true",), **fields})


def refusal(owner, *specs: JobSpec) -> dict[str, str]:
    with pytest.raises(InvalidError) as caught:
        submit(specs=specs, owner=owner)
    assert not Job.objects.exists()
    return {error.field: error.message for error in caught.value.errors}


def test_a_submitted_job_waits_with_a_reason_and_an_event(owner):
    [answer] = submit(specs=[spec(priority="urgent")], owner=owner)

    job = Job.objects.get()
    assert answer.created
    assert (job.state, job.priority, job.owner) == (JobState.PENDING, 90, owner)
    assert [reason["code"] for reason in job.reasons] == ["new"]
    assert list(JobEvent.objects.values_list("kind", "to_state", "actor")) == [
        ("submitted", "pending", owner.get_username())
    ]


def test_the_same_key_brings_back_the_first_job(owner):
    [first] = submit(specs=[spec(submission_key="k1")], owner=owner)
    [second] = submit(specs=[spec(name="other", submission_key="k1")], owner=owner)

    assert (second.job.pk, second.created) == (first.job.pk, False)
    assert Job.objects.count() == 1


def test_a_key_repeated_within_a_batch_makes_one_job(owner):
    answers = submit(specs=[spec(submission_key="k"), spec(), spec(submission_key="k")], owner=owner)

    assert [answer.created for answer in answers] == [True, True, False]
    assert answers[0].job.pk == answers[2].job.pk != answers[1].job.pk


def test_a_key_is_one_project_s_own(owner):
    builders.project(slug="speech", members=[owner])

    submit(specs=[spec(submission_key="k")], owner=owner)
    [other] = submit(specs=[spec(project="speech", submission_key="k")], owner=owner)

    assert other.created


@pytest.mark.django_db(transaction=True)
def test_the_same_key_submitted_four_times_at_once_makes_one_job():
    owner = builders.member(project=builders.project(slug="vision"))
    start = threading.Barrier(4)
    answers = []

    def race() -> None:
        start.wait()
        answers.extend(submit(specs=[spec(submission_key="k")], owner=owner))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Job.objects.count() == 1
    assert sorted(answer.created for answer in answers) == [False, False, False, True]


def test_one_bad_job_refuses_the_whole_batch_and_is_named(owner):
    faults = refusal(owner, spec(), spec(queue="nope"), spec())

    assert list(faults) == ["jobs[1].queue"]
    assert "live, default, batch" in faults["jobs[1].queue"]


def test_a_batch_cannot_depend_on_itself_whatever_ids_it_guesses(owner):
    before = builders.job()
    last = before.pk
    before.delete()
    faults = refusal(owner, spec(depends_on=(last + 2,)), spec(depends_on=(last + 1,)))
    assert list(faults) == ["jobs[0].depends_on", "jobs[1].depends_on"]
    assert "submitted before it" in faults["jobs[0].depends_on"]


def test_all_faults_are_named_at_once(owner):
    builders.node(name="n1", cpus=4, gpus=2)

    faults = refusal(
        owner, spec(priority=101, queue="x", gpus=3, depends_on=(999,), deadline=timezone.now() - timedelta(hours=1))
    )

    assert set(faults) == {"priority", "queue", "resources.gpus", "depends_on", "deadline"}


def test_more_gpus_than_any_node_has_are_refused_at_once(owner):
    builders.node(name="big", gpus=4)

    assert "big" in refusal(owner, spec(gpus=5))["resources.gpus"]


def test_more_gpus_than_the_quota_could_ever_allow_are_refused_at_once(owner, project):
    Quota.objects.create(project=project, gpus=2)
    builders.node(gpus=8)

    assert "vision" in refusal(owner, spec(gpus=3))["resources.gpus"]


def test_without_any_node_a_gpu_job_may_wait(owner):
    assert submit(specs=[spec(gpus=8)], owner=owner)[0].created


def test_a_project_one_does_not_belong_to_is_unknown():
    builders.project(slug="vision")

    assert "project" in refusal(builders.user(), spec())


def test_who_names_an_unknown_project_is_told_where_he_may_submit(owner, django_assert_max_num_queries):
    builders.project(slug="speech")
    builders.member(project=builders.project(slug="seen"), role="viewer", user=owner)
    with django_assert_max_num_queries(40):
        said = refusal(owner, *[spec(project="visoin")] * 50)
    assert said["jobs[49].project"] == (
        "There is no project 'visoin' that you belong to. Those you may submit to: vision."
    )


def test_a_viewer_may_not_submit(project):
    viewer = builders.member(project=project, role="viewer")

    with pytest.raises(ForbiddenError, match="vision"):
        submit(specs=[spec()], owner=viewer)


def test_membership_reaches_down_the_tree(project, owner):
    builders.project(slug="segmentation", parent=project)

    assert submit(specs=[spec(project="segmentation")], owner=owner)[0].created


def test_an_archived_project_and_a_draining_queue_take_nothing(owner, project):
    project.archived = True
    project.save()
    builders.queue(name="batch", state="draining")

    assert set(refusal(owner, spec(queue="batch"))) == {"project", "queue"}


def test_a_dependency_on_a_job_one_cannot_see_does_not_exist(owner):
    foreign = builders.job()

    with pytest.raises(InvalidError, match=str(foreign.pk)):
        submit(specs=[spec(depends_on=(foreign.pk,))], owner=owner)


def test_dependencies_are_kept(owner, project):
    first = builders.job(project=project)

    [answer] = submit(specs=[spec(depends_on=(first.pk, first.pk))], owner=owner)

    assert list(answer.job.depends_on.all()) == [first]


def test_the_limit_of_waiting_jobs_counts_those_below_and_the_whole_batch():
    top = builders.project(slug="top", quota={"waiting_jobs": 3})
    below = builders.project(slug="below", parent=top)
    owner = builders.member(project=top)
    builders.job(project=below)

    with pytest.raises(InvalidError, match="top"):
        submit(specs=[spec(project="below"), spec(project="below"), spec(project="top")], owner=owner)

    assert len(submit(specs=[spec(project="below"), spec(project="top")], owner=owner)) == 2


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(owner, django_assert_max_num_queries):
    with django_assert_max_num_queries(16):
        submit(specs=[spec() for _ in range(5)], owner=owner)
    with django_assert_max_num_queries(16):
        submit(specs=[spec() for _ in range(200)], owner=owner)
