"""Whose job it is: one rule for who sees its values, who says what it runs, and who works beside it."""

import pytest

from jobs.models import rights
from jobs.sessions import rights as beside
from tests import builders

pytestmark = pytest.mark.django_db


def person(who, job):
    match who:
        case "owner":
            return job.owner
        case "staff":
            return builders.user(staff=True)
        case "stranger":
            return builders.user()
        case "owner who only looks":
            job.owner.memberships.update(role="viewer")
            return job.owner
    return builders.member(project=job.project, role=who)


@pytest.mark.parametrize(
    ("who", "answers", "acts", "acts_with_secrets", "works_beside"),
    [
        ("owner", True, True, True, True), ("owner who only looks", True, True, True, False),
        ("admin", True, True, False, True), ("staff", True, True, False, True),
        ("member", False, False, False, False), ("viewer", False, False, False, False), ("stranger", False, False, False, False),
    ],
)  # fmt: skip
def test_who_may_what(who, answers, acts, acts_with_secrets, works_beside):
    project = builders.project()
    job = builders.job(project=project, owner=builders.member(project=project))
    user = person(who, job)

    assert rights.answers_for(user, job) is answers
    assert rights.acts_for_owner(user, job) is acts
    assert beside.may(user, job) is works_beside
    job.secrets = ["WANDB_API_KEY"]
    assert rights.acts_for_owner(user, job) is acts_with_secrets
    assert beside.may(user, job) is (works_beside and acts_with_secrets)


def test_of_many_jobs_the_answer_takes_as_many_statements_as_of_one(django_assert_num_queries):
    project, user = builders.project(), builders.user()
    jobs = [builders.job(project=project) for _ in range(3)]

    with django_assert_num_queries(2):
        assert rights.answered_for(user, jobs) == set()
