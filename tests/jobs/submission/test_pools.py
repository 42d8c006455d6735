"""Who needs a node that a pool may still get is taken, and waits for it; who needs more than that is refused as ever."""

import pytest

from jobs.models import Job
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from scheduling.errors import InvalidError
from tests import builders
from workers.models import NodePool

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_small_node_and_a_pool_of_two_that_is_empty():
    builders.node(cpus=2)
    NodePool.objects.create(name="big", cpus=16, memory_mb=32_768, gpus=2, gpu_memory_mb=81_559, max_nodes=2)


@pytest.fixture
def owner():
    return builders.member(project=builders.project(slug="vision"))


def submitted(owner, **fields) -> list[str]:
    """The fields that are refused; none if it was taken."""
    try:
        submit(specs=[JobSpec(**{"name": "train", "project": "vision", "command": ("true",), **fields})], owner=owner)
    except InvalidError as error:
        return [fault.field for fault in error.errors]
    return []


@pytest.mark.parametrize(
    "fields", [{"cpus": 16}, {"gpus": 2}, {"node_labels": {"pool": "big"}}, {"cpus": 16, "nodes": 2}]
)
def test_what_a_pool_could_bring_is_worth_waiting_for(owner, fields):
    assert submitted(owner, **fields) == []
    assert Job.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cpus": 17}, "resources.cpus"),
        ({"gpus": 3}, "resources.gpus"),
        ({"node_labels": {"pool": "small"}}, "resources.node_labels"),
        ({"cpus": 16, "nodes": 3}, "resources.nodes"),
    ],
)
def test_what_no_pool_could_bring_is_refused(owner, fields, field):
    assert submitted(owner, **fields) == [field]


def test_nothing_is_expected_of_a_pool_that_is_paused(owner):
    NodePool.objects.update(paused=True)
    assert submitted(owner, gpus=1) == ["resources.gpus"]
