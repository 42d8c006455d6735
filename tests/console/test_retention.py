"""Rules of retention in the admin."""

import pytest

from jobs.models import JobRetention
from tests import builders
from tests.admin_pages import operator, page

pytestmark = pytest.mark.django_db
RULES = "/admin/jobs/jobretention/"


def test_a_rule_is_set_and_changed():
    client, project = operator(), builders.project(slug="vision")
    client.post(f"{RULES}add/", {"project": project.pk, "days": "90"})
    rule = JobRetention.objects.get()
    assert (rule.project, rule.days, rule.changed_by) == (project, 90, "operator")
    client.post(f"{RULES}{rule.pk}/change/", {"days": ""})
    assert JobRetention.objects.get().days is None
    assert "vision" in page(client, RULES)


def test_nonsense_is_refused():
    client, project = operator(), builders.project()
    client.post(f"{RULES}add/", {"project": project.pk, "days": "0"})
    assert not JobRetention.objects.exists()
