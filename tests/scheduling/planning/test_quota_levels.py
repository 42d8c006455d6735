"""What follows from quotas alone is kept from pass to pass, and never outlives a change of them."""

from dataclasses import replace

from scheduling.planning.plan import make_plan
from scheduling.planning.quota_levels import quota_levels
from scheduling.resources import Request
from scheduling.snapshot import Limits, ProjectView
from tests.scheduling.builders import gpu_node, limited, snapshot, waiting

NOW = 1000.0
JOB = waiting(1, request=Request(gpus=2))


def test_projects_that_were_read_anew_are_not_worked_out_anew():
    first, again = ((limited(gpus=4), ProjectView("other")) for _ in range(2))

    assert quota_levels(first) is quota_levels(again)


def test_a_changed_quota_counts_with_the_next_plan():
    tight = snapshot(JOB, nodes=(gpu_node("gpu-1"),), projects=(limited(gpus=1),))
    raised = replace(tight, projects=(limited(gpus=2),))

    assert [len(make_plan(one, NOW).placements) for one in (tight, raised, tight)] == [0, 1, 0]


def test_a_quota_that_is_only_shown_holds_nobody_back():
    [project] = (limited(gpus=1),)
    shown = replace(project, limits=Limits(gpus=1, enforced=False))

    assert make_plan(snapshot(JOB, nodes=(gpu_node("gpu-1"),), projects=(shown,)), NOW).placements
