"""The builders make rows that the database takes."""

import pytest

from tests import builders

pytestmark = pytest.mark.django_db


def test_a_running_job_holds_its_gpus_on_its_node():
    node = builders.node(gpus=2)
    job = builders.running_job(node=node, gpu_indices=[1], cpus=2)
    placement = job.attempts.get().placements.get()
    assert (placement.node, placement.gpu_indices) == (node, [1])
    assert [hold.index for hold in placement.gpu_holds.all()] == [1]


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_a_job_that_is_over_has_finished(state):
    assert builders.job(state=state).finished_at is not None


def test_log_chunks_follow_one_another():
    attempt = builders.attempt()
    first, second = builders.log(attempt=attempt, data="ab"), builders.log(attempt=attempt, data="c")
    assert [(first.number, first.offset), (second.number, second.offset)] == [(0, 0), (1, 2)]


def test_every_builder_works_without_arguments():
    for build in (builders.user, builders.project, builders.queue, builders.node, builders.job, builders.placement):
        assert build().pk
    assert builders.event().pk
    assert builders.member(project=builders.project()).projects.count() == 1
