"""What jobs of one call may need of each other, and how it may be said."""

import pytest

from jobs.models import Job, JobDependency
from jobs.submission import limits
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def client(project):
    return client_of(builders.member(project=project))


@pytest.fixture
def post(client):
    return lambda *jobs, **more: client.post(f"{V1}/jobs/batch", {"jobs": list(jobs), **more})


def job(name="train", **fields):
    return {"project": "vision", "name": name, "command": ["true"]} | fields


def links():
    """Who needs whom, by name, and how it has to end."""
    return set(JobDependency.objects.values_list("job__name", "needs__name", "after"))


def test_a_job_names_another_of_its_batch_by_its_key_or_its_name(post):
    answer = post(
        job("prepare", submission_key="k1"), job("train", depends_on=["k1"]), job("eval", depends_on=["train"])
    )
    assert answer.status_code == 201
    assert links() == {("train", "prepare", "ok"), ("eval", "train", "ok")}


def test_it_may_name_one_that_comes_later(post):
    post(job("eval", depends_on=[{"job": "k", "after": "any"}]), job("train", submission_key="k"))
    assert links() == {("eval", "train", "any")}


def test_a_batch_that_is_sent_again_makes_nothing_new(post):
    batch = [job("a", submission_key="a"), job("b", submission_key="b", depends_on=["a"])]
    first, again = post(*batch).json(), post(*batch).json()
    assert [one["id"] for one in first["jobs"]] == [one["id"] for one in again["jobs"]]
    assert JobDependency.objects.count() == 1


def test_a_key_of_a_job_that_came_before_will_do(post, project, client):
    builders.job(project=project, name="before", submission_key="nightly")
    post(job("after", depends_on=["nightly"]), job("other"))
    client.post(f"{V1}/jobs", job("single", depends_on=["nightly"]))
    assert links() == {("after", "before", "ok"), ("single", "before", "ok")}


def test_a_key_of_a_project_that_one_does_not_belong_to_is_unknown(post):
    builders.job(submission_key="secret")
    assert "'secret'" in faults(post(job(depends_on=["secret"]), job()))["jobs[0].depends_on[0]"]


def test_unknown_names_are_named(post):
    told = faults(post(job("a"), job("b", depends_on=["a", "nobody"])))
    assert list(told) == ["jobs[1].depends_on[1]"]
    assert "'nobody'" in told["jobs[1].depends_on[1]"]


def test_a_name_that_two_jobs_have_is_refused(post):
    assert (
        "2 jobs of this batch are called 'a'"
        in faults(post(job("a"), job("a"), job("b", depends_on=["a"])))["jobs[2].depends_on[0]"]
    )


def test_a_circle_is_refused_with_the_jobs_in_it(post):
    told = faults(post(job("x"), job("a", depends_on=["c"]), job("b", depends_on=["a"]), job("c", depends_on=["b"])))
    [(field, words)] = told.items()
    assert field.endswith(".depends_on")
    assert words.startswith("Goes round in a circle: ")
    assert {name for name in ("a", "b", "c", "x") if f'"{name}"' in words} == {"a", "b", "c"}
    assert not Job.objects.exists()


def test_a_job_does_not_need_itself(client):
    answer = client.post(f"{V1}/jobs", job(submission_key="k", depends_on=["k"]))
    assert faults(answer) == {"depends_on": 'Goes round in a circle: "k" needs "k".'}


def test_a_long_chain_in_a_batch_is_no_circle(post):
    jobs = [job(f"n{n}", depends_on=[f"n{n + 1}"] if n < 1_199 else []) for n in range(1_200)]
    assert post(*jobs).status_code == 201
    assert JobDependency.objects.count() == 1_199


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ({"after": "ok"}, "ok"), ({"after": "any"}, "any"), ({"after": "failed"}, "failed"), ({}, "ok"),
        ({"when": "ended"}, "any"), ({"when": "completed"}, "ok"), ({"when": "any", "after": "ended"}, "any"),
    ],
)  # fmt: skip
def test_how_it_has_to_end_is_said_with_the_job(client, project, said, after):
    needed = builders.job(project=project, state="running")
    answer = client.post(f"{V1}/jobs", job(depends_on=[{"job": needed.pk, **said}])).json()
    assert answer["depends_on"] == [needed.pk]
    assert answer["dependencies"] == [{"job": needed.pk, "after": after, "state": "running"}]
    assert client.get(f"{V1}/jobs/{answer['id']}").json()["dependencies"] == answer["dependencies"]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"job": 1, "after": "soon"}, "depends_on[0].after"), ({"job": 1, "after": None}, "depends_on[0].after"),
        ({"job": 1, "after": "ok", "when": "any"}, "depends_on[0].after"), ({"after": "ok"}, "depends_on[0]"),
        ({"job": 1, "then": "ok"}, "depends_on[0]"), ({"job": []}, "depends_on[0]"), (True, "depends_on[0]"),
        (None, "depends_on[0]"), (1.5, "depends_on[0]"), ("", "depends_on[0]"), ("a\0", "depends_on[0]"), (0, "depends_on[0]"),
    ],
    ids=str,
)  # fmt: skip
def test_an_entry_of_another_shape_is_named(client, entry, field):
    assert list(faults(client.post(f"{V1}/jobs", job(depends_on=[entry])))) == [field]


def test_one_job_named_twice_in_two_ways_is_refused(client, project):
    one = builders.job(project=project).pk
    told = faults(client.post(f"{V1}/jobs", job(depends_on=[one, {"job": one, "after": "failed"}])))
    assert told == {"depends_on[1]": f"Names job {one} twice, after ok and after failed."}


def test_a_job_may_need_more_than_a_thousand_others(client, project):
    first = builders.job(project=project)
    rows = [Job(name="n", project=project, queue=first.queue, command=["true"]) for _ in range(1_100)]
    numbers = [first.pk, *[one.pk for one in Job.objects.bulk_create(rows)]]
    answer = client.post(f"{V1}/jobs", job(depends_on=numbers)).json()
    assert answer["depends_on"] == numbers


def test_defaults_cannot_ask_for_millions_of_dependencies(post):
    told = faults(post(*[job()] * 100, defaults={"depends_on": list(range(1, limits.BATCH_DEPENDENCIES // 50))}))
    assert "in all" in told["jobs"]


def test_what_becomes_of_it_can_be_said_and_changed(client):
    made = client.post(f"{V1}/jobs", job(on_dependency_failure="wait")).json()
    assert made["on_dependency_failure"] == "wait"
    changed = client.patch(f"{V1}/jobs/{made['id']}", {"on_dependency_failure": "cancel"}).json()
    assert changed["on_dependency_failure"] == "cancel"
    assert "on_dependency_failure" in faults(client.post(f"{V1}/jobs", job(on_dependency_failure="ignore")))
