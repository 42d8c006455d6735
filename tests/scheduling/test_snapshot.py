"""The tree of projects as the planner walks it."""

from scheduling.snapshot import NodeView, ProjectView, chain_of
from tests.scheduling.builders import gpus


def test_a_chain_leads_from_the_project_to_the_root():
    tree = {p.slug: p for p in (ProjectView("acme"), ProjectView("team", "acme"), ProjectView("vision", "team"))}

    assert [project.slug for project in chain_of("vision", tree)] == ["vision", "team", "acme"]
    assert [project.slug for project in chain_of("acme", tree)] == ["acme"]


def test_projects_that_are_each_other_s_parent_end_the_chain():
    """The database forbids only a project that is its own parent; a longer circle must not hang the planner."""
    circle = {p.slug: p for p in (ProjectView("a", "b"), ProjectView("b", "a"))}

    assert [project.slug for project in chain_of("a", circle)] == ["a", "b"]


def test_nodes_are_values_even_with_labels():
    one, other = (NodeView("n", 1, 1, gpus(1), labels={"zone": "a"}) for _ in range(2))

    assert one == other
    assert hash(one) == hash(other)
