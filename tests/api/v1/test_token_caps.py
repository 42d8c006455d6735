"""Capped tokens: what an agent may hold and spend, and what it may not do at all."""

from datetime import timedelta

import pytest
from django.utils import timezone
from knox.models import AuthToken

from jobs.control import actions
from jobs.models import CappedJob, Job, JobEvent
from quotas.models import Price
from tests import builders
from tests.racing import race
from tests.rest import V1, client_of, faults

OWN, JOBS = f"{V1}/auth/tokens/own", f"{V1}/jobs"
JOB = {"project": "vision", "command": ["true"]}
HOUR = 3_600


@pytest.fixture
def ada(db):
    builders.node(gpus=8)
    ada = builders.user(username="ada")
    builders.project(slug="vision", members=[ada])
    return ada


def bearer(token):
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def capped(user, **caps):
    """A client with a token that its user made with these caps."""
    made = client_of(user).post(OWN, caps)
    assert made.status_code == 201, made.content
    return bearer(made.json()["token"])


def asks(gpus=1, **more):
    return JOB | {"resources": {"gpus": gpus}, **more}


def price():
    Price.objects.create(target="gpu_model", per_hour=2, currency="EUR", valid_from=timezone.now())


def test_its_jobs_that_are_not_over_have_no_more_gpus_than_the_cap(ada):
    agent = capped(ada, max_gpus=4)
    first = agent.post(JOBS, asks(3))

    assert "may have 4 GPUs" in faults(agent.post(JOBS, asks(2)))["resources.gpus"]
    assert "it has 3, and this asks for 2" in faults(agent.post(f"{JOBS}/quote", asks(2)))["resources.gpus"]
    assert "resources.gpus" in faults(agent.post(f"{JOBS}/batch", {"jobs": [asks(1), asks(1)]}))
    assert agent.post(JOBS, asks(1)).status_code == 201
    assert client_of(ada).post(JOBS, asks(8)).status_code == 201  # what others submit is not its affair
    actions.cancel(job_id=first.json()["id"], actor="ada")
    assert agent.post(JOBS, asks(3)).status_code == 201
    assert CappedJob.objects.count() == 3


def test_each_node_of_a_job_counts(ada):
    builders.node(gpus=8)
    told = faults(capped(ada, max_gpus=4).post(JOBS, asks(3) | {"resources": {"gpus": 3, "nodes": 2}}))
    assert "asks for 6" in told["resources.gpus"]


def test_its_jobs_cost_no_more_within_their_limits_than_the_cap(ada):
    price()
    agent = capped(ada, max_cost="10", cost_days=30)
    assert "needs one" in faults(agent.post(JOBS, asks(1)))["max_runtime_seconds"]
    first = agent.post(JOBS, asks(1, max_runtime_seconds=3 * HOUR, estimated_runtime_seconds=1))

    refusal = faults(agent.post(JOBS, asks(1, max_runtime_seconds=3 * HOUR)))["max_runtime_seconds"]
    assert "6.000000 of it are spent or promised, and this may cost 6.000000" in refusal
    assert "12.000000" in str(faults(agent.post(JOBS, asks(1, max_runtime_seconds=3 * HOUR, max_retries=1))))
    actions.cancel(job_id=first.json()["id"], actor="ada")  # it never ran: nothing of it is spent
    assert agent.post(JOBS, asks(1, max_runtime_seconds=3 * HOUR)).status_code == 201


def test_what_was_spent_comes_back_after_the_days_of_the_cap(ada):
    price()
    agent = capped(ada, max_cost="10", cost_days=1)
    job = agent.post(JOBS, asks(1, max_runtime_seconds=4 * HOUR)).json()["id"]
    CappedJob.objects.update(submitted_at=timezone.now() - timedelta(days=2))

    assert "max_runtime_seconds" in faults(agent.post(JOBS, asks(1, max_runtime_seconds=2 * HOUR)))
    Job.objects.filter(pk=job).update(state="completed", finished_at=timezone.now())
    assert agent.post(JOBS, asks(1, max_runtime_seconds=2 * HOUR)).status_code == 201


def test_what_has_no_price_does_not_pass_as_free(ada):
    agent = capped(ada, max_cost="10")
    assert "has no price" in faults(agent.post(JOBS, asks(1, max_runtime_seconds=60)))["resources"]


def test_the_same_key_asks_for_nothing_more(ada):
    agent = capped(ada, max_gpus=2)
    asked = asks(2, submission_key="once")
    assert [agent.post(JOBS, asked).status_code for _ in range(2)] == [201, 200]


def test_a_small_job_is_not_edited_into_one_beyond_the_cap(ada):
    agent = capped(ada, max_gpus=4)
    agent.post(JOBS, asks(2))
    small = f"{JOBS}/{agent.post(JOBS, asks(1)).json()['id']}"

    refusal = faults(agent.patch(small, {"resources": {"gpus": 3}}))["resources.gpus"]
    assert refusal == "This token may have 4 GPUs at once in jobs that are not over; it has 2, and this asks for 3."
    assert "asks for 8" in faults(agent.patch(small, {"resources": {"nodes": 8}}))["resources.gpus"]
    assert agent.patch(small, {"resources": {"gpus": 2}}).status_code == 200
    assert "resources.gpus" in faults(agent.post(JOBS, asks(1)))
    assert client_of(ada).patch(small, {"resources": {"gpus": 8}}).status_code == 200
    assert agent.patch(small, {"resources": {"gpus": 5}, "name": "less"}).status_code == 200
    assert "resources.gpus" in faults(agent.patch(small, {"resources": {"gpus": 6}}))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"resources": {"gpus": 2}}, "max_runtime_seconds"),
        ({"max_runtime_seconds": 6 * HOUR}, "max_runtime_seconds"),
        ({"max_runtime_seconds": None}, "max_runtime_seconds"),
        ({"max_retries": 1}, "max_runtime_seconds"),
        ({"resources": {"nodes": 2}}, "max_runtime_seconds"),
    ],
)
def test_a_cheap_job_is_not_edited_into_one_beyond_the_cap(ada, change, field):
    price()
    agent = capped(ada, max_cost="10")
    cheap = f"{JOBS}/{agent.post(JOBS, asks(1, max_runtime_seconds=3 * HOUR)).json()['id']}"

    assert field in faults(agent.patch(cheap, change))
    assert agent.patch(cheap, {"max_runtime_seconds": 4 * HOUR, "labels": {"a": "b"}}).status_code == 200
    assert field in faults(agent.patch(cheap, change))


def test_only_jobs_that_were_submitted_with_it_are_edited_with_it(ada):
    agent = capped(ada, max_gpus=4)
    own = agent.post(JOBS, asks(1)).json()["id"]
    other, free = capped(ada, max_gpus=1), builders.job(project=builders.project(slug="sun", members=[ada]), owner=ada)

    for job, token in ((own, other), (free.pk, agent)):
        refusal = token.patch(f"{JOBS}/{job}", {"name": "mine"})
        assert (refusal.status_code, f"and job {job} was not" in refusal.json()["detail"]) == (403, True)


def test_of_two_edits_at_once_both_do_not_take_what_the_cap_leaves(transactional_db, ada):
    agent = capped(ada, max_gpus=4)
    first, second = (f"{JOBS}/{agent.post(JOBS, asks(1)).json()['id']}" for _ in range(2))
    answers = []

    def grow(job):
        return lambda: answers.append(agent.patch(job, {"resources": {"gpus": 3}}).status_code)

    race(grow(first), grow(second))
    assert sorted(answers) == [200, 400]


def test_it_does_nothing_that_could_free_it_of_its_caps(ada):
    job = builders.job(project=builders.project(slug="sun", members=[ada]), owner=ada, state="completed")
    agent = capped(ada, max_gpus=4)

    for refused in (
        agent.post(OWN),
        agent.post(f"{JOBS}/{job.pk}/requeue"),
        agent.post(f"{JOBS}/requeue", {"all": True}),
        agent.patch(f"{JOBS}/{job.pk}", {"name": "mine"}),
        agent.patch(JOBS, {"all": True, "priority": 1}),
        agent.post(f"{JOBS}/{job.pk}/resume"),
    ):
        assert refused.status_code == 403
        assert "This token is capped" in refused.json()["detail"]
    assert agent.get(f"{JOBS}/{job.pk}").status_code == 200
    waits = agent.post(JOBS, asks(1)).json()["id"]
    assert agent.post(f"{JOBS}/{waits}/cancel", {"reason": "Enough."}).status_code == 200
    assert JobEvent.objects.get(job=waits, kind="cancelled").message.endswith(" Enough.")
    assert agent.delete(f"{V1}/auth/tokens/current").status_code == 204


@pytest.mark.parametrize(
    ("caps", "field"),
    [
        ({"max_gpus": -1}, "max_gpus"),
        ({"max_gpus": "many"}, "max_gpus"),
        ({"max_cost": "-1"}, "max_cost"),
        ({"max_cost": "NaN"}, "max_cost"),
        ({"cost_days": 3}, "cost_days"),
        ({"max_cost": "1", "cost_days": 0}, "cost_days"),
    ],
)
def test_a_cap_that_cannot_be_is_refused_and_no_token_is_made(ada, caps, field):
    assert field in faults(client_of(ada).post(OWN, caps))
    assert not AuthToken.objects.exists()


def test_tokens_say_their_caps(ada):
    agent = capped(ada, max_gpus=4, max_cost="2.50", cost_days=7)
    told = {"max_gpus": 4, "max_cost": "2.500000", "cost_days": 7}
    assert agent.get(f"{V1}/whoami").json()["token"].items() >= told.items()
    assert agent.get(OWN).json()[0].items() >= told.items()


@pytest.mark.django_db(transaction=True)
def test_two_submissions_at_once_do_not_both_take_the_last_gpus(ada):
    agent = capped(ada, max_gpus=4)

    def submitted():
        return agent.post(JOBS, asks(3)).status_code

    assert race(submitted, submitted) == 400
    assert Job.objects.count() == 1
