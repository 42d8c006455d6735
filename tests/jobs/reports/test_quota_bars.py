"""The bars of quotas: what is told of a project, its cohort and the projects above it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.reports.quota_bars import all_bars, bars_in
from jobs.reports.quota_usage import standing_now
from quotas.models import Quota
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort():
    """The lender keeps one GPU to itself; the borrower holds three, one of them its own, and two jobs of two nodes wait."""
    top = builders.project(slug="top", quota={"running_jobs": 10})
    builders.project(slug="lender", parent=top, quota={"gpus": 4, "lending_gpus": 3})
    borrower = builders.project(slug="borrower", parent=top, quota={"gpus": 1, "borrowing_gpus": 3, "memory_mb": 2048})
    builders.running_job(project=borrower, gpu_indices=[0, 1, 2], memory_mb=1536)
    builders.job(project=borrower, gpus=2, nodes=2, memory_mb=100)
    return borrower


def sentences(slug):
    return {bar.resource: bar.sentence for bar in bars_in(standing_now(), slug)}


def test_each_quota_that_limits_a_project_is_told_in_words(cohort):
    assert sentences("borrower") == {
        "gpus": "3 of 1 GPU used, 2 borrowed of at most 3, 4 asked for by those that wait",
        "memory_mb": "1.5 GB of 2 GB of memory used, 200 MB asked for by those that wait",
        "running_jobs": "1 running job, no quota of its own: 1 of 10 in top, 1 waits",
    }
    assert sentences("lender")["gpus"] == "0 of 4 GPUs used, 2 lent of at most 3"


def test_what_is_below_counts_and_is_shown_the_quota_above(cohort):
    builders.running_job(project=builders.project(slug="study", parent=cohort), cpus=2, gpu_indices=[3])
    assert sentences("borrower")["gpus"].startswith("4 of 1 GPU used, 3 borrowed")
    assert sentences("study")["gpus"] == "1 GPU used, no quota of its own: 4 of 1 used in borrower"


def test_a_limit_that_was_lowered_is_told_to_be_exceeded(cohort):
    Quota.objects.filter(project=cohort).update(gpus=0, borrowing_gpus=1)
    assert sentences("borrower")["gpus"].startswith("3 of 0 GPUs used, 3 borrowed of at most 1, 2 over the limit")
    Quota.objects.filter(project=cohort).update(gpus=2, borrowing_gpus=None)
    assert sentences("borrower")["gpus"].startswith("3 of 2 GPUs used, 1 over the limit, 4 asked")


def test_a_quota_that_is_not_enforced_says_so_and_limits_nobody_below():
    told = builders.project(slug="told", quota={"gpus": 1, "enforced": False})
    builders.project(slug="below", parent=told)
    assert sentences("told") == {"gpus": "0 of 1 GPU used, not enforced"}
    assert sentences("below") == {}


def test_nothing_is_told_where_nothing_is_limited():
    builders.project(slug="free")
    assert sentences("free") == {}


def test_the_bars_of_all_are_those_of_each(cohort):
    standing = standing_now()
    assert all_bars(standing) == {slug: bars_in(standing, slug) for slug in standing.tree}


def test_the_number_of_statements_does_not_grow_with_the_tree(cohort):
    with CaptureQueriesContext(connection) as few:
        all_bars(standing_now())
    for _ in range(20):
        builders.job(project=builders.project(parent=cohort, quota={"gpus": 1}))
    with CaptureQueriesContext(connection) as many:
        all_bars(standing_now())
    assert len(many) == len(few)
