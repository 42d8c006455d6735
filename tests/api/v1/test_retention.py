"""For how long jobs are kept, over REST: inherited, and set by administrators of the project."""

import pytest

from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


def test_a_rule_is_set_inherited_and_removed():
    org = builders.project(slug="org")
    builders.project(slug="team", parent=org)
    admin = client_of(builders.member(project=org, role="admin"))
    assert admin.get(f"{V1}/projects/team/retention").json() == {
        "project": "team",
        "job_days": None,
        "from_project": None,
        "output_days": 30,
        "outputs_from_project": None,
        "output_gb": None,
        "output_gb_from_project": None,
        "outputs_kept_gb": 0,
    }
    assert admin.patch(f"{V1}/projects/org/retention", {"job_days": 90}).json()["from_project"] == "org"
    assert admin.get(f"{V1}/projects/team/retention").json()["job_days"] == 90
    assert admin.patch(f"{V1}/projects/team/retention", {"job_days": None}).json() == {
        "project": "team", "job_days": None, "from_project": "team", "output_days": 30, "outputs_from_project": None,
        "output_gb": None, "output_gb_from_project": None, "outputs_kept_gb": 0,
    }  # fmt: skip
    assert admin.delete(f"{V1}/projects/team/retention").json()["from_project"] == "org"


def test_what_jobs_leave_has_a_rule_of_its_own():
    org = builders.project(slug="org")
    builders.project(slug="team", parent=org)
    admin = client_of(builders.member(project=org, role="admin"))
    said = admin.patch(f"{V1}/projects/org/retention", {"output_days": 7}).json()
    assert (said["job_days"], said["from_project"], said["output_days"]) == (None, None, 7)
    team = admin.get(f"{V1}/projects/team/retention").json()
    assert (team["output_days"], team["outputs_from_project"]) == (7, "org")
    assert admin.patch(f"{V1}/projects/org/retention", {"output_days": 0}).status_code == 400
    assert admin.delete(f"{V1}/projects/org/retention").json()["output_days"] == 30


def test_who_is_no_administrator_only_looks():
    team = builders.project(slug="team")
    client = client_of(builders.member(project=team))
    assert client.get(f"{V1}/projects/team/retention").status_code == 200
    assert client.patch(f"{V1}/projects/team/retention", {"job_days": 1}).status_code == 403
    assert client.delete(f"{V1}/projects/team/retention").status_code == 403
    assert client_of(builders.user()).get(f"{V1}/projects/team/retention").status_code == 404


@pytest.mark.parametrize("days", [0, -1, "soon", 1.5, 36_501, True])
def test_nonsense_is_refused_by_its_field(days):
    client = client_of(builders.user(staff=True))
    builders.project(slug="team")
    response = client.patch(f"{V1}/projects/team/retention", {"job_days": days})
    assert response.status_code == 400
    assert "job_days" in faults(response)
    assert "job_days" in faults(client.patch(f"{V1}/projects/team/retention", {}))
