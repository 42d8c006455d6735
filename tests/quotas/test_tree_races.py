"""Two people change the tree of projects at once: it stays a tree, and the second is told."""

import pytest

from quotas import projects
from quotas.models import Project
from scheduling.errors import InvalidError
from tests import builders
from tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def refusal_of(step):
    """The fields that the step is refused by; none if it is not."""
    try:
        step()
    except InvalidError as refused:
        return [one.field for one in refused.errors]
    return []


def test_of_two_moves_that_would_make_a_circle_the_second_is_refused():
    one, other, staff = builders.project(slug="one"), builders.project(slug="other"), builders.user(staff=True)

    refused = race(
        lambda: projects.change(project=one, actor=staff, parent="other"),
        lambda: refusal_of(lambda: projects.change(project=other, actor=staff, parent="one")),
    )

    assert refused == ["parent"]
    assert dict(Project.objects.values_list("slug", "parent__slug")) == {"one": "other", "other": None}


def test_a_longer_circle_by_two_moves_is_refused_too():
    top = builders.project(slug="top")
    team = builders.project(slug="team", parent=top)
    study, staff = builders.project(slug="study"), builders.user(staff=True)

    refused = race(
        lambda: projects.change(project=study, actor=staff, parent="team"),
        lambda: refusal_of(lambda: projects.change(project=top, actor=staff, parent="study")),
    )

    assert refused == ["parent"]
    assert team.contains(Project.objects.get(slug="study"))


def test_rows_that_make_a_circle_already_hang_nothing_and_may_be_moved_out_of_it():
    """Given a circle that somebody wrote into the table, when one of it moves to the top, then it is a tree again."""
    one = builders.project(slug="one")
    other = builders.project(slug="other", parent=one)
    Project.objects.filter(pk=one.pk).update(parent=other)
    outside, staff = builders.project(slug="outside"), builders.user(staff=True)

    assert not outside.contains(Project.objects.get(slug="one"))
    assert projects.change(project=outside, actor=staff, parent="other").parent == other
    projects.change(project=Project.objects.get(slug="one"), actor=staff, parent=None)

    assert Project.objects.get(slug="one").contains(Project.objects.get(slug="outside"))
