"""A project is deleted once nothing belongs to it; before, it is said what to do; what it used and cost stays readable."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from jobs.costs import settlement
from jobs.models import JobRetention, Placement
from jobs.models.planning import Reservation
from jobs.usage import rollup
from quotas.models import Price, Project
from tests import builders
from tests.admin_pages import operator, page
from tests.jobs.usage.yard import at, forget_everything, ran, roll_up
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def study():
    return builders.project(slug="study", parent=builders.project(slug="team"), quota={"gpus": 2})


def remove(client, slug="study"):
    return client.delete(f"{V1}/projects/{slug}")


def test_a_project_that_nothing_belongs_to_goes_with_its_quota_and_its_rules(staff, study):
    JobRetention.objects.create(project=study, days=5)
    builders.member(project=study)

    assert remove(staff).status_code == 204
    assert remove(staff).status_code == 404
    assert not Project.objects.filter(slug="study").exists()


def reserve(project):
    now = timezone.now()
    Reservation.objects.create(name="kept", project=project, start=now, end=now + timedelta(hours=1))


@pytest.mark.parametrize(
    ("belongs", "words"),
    [
        (lambda study: builders.running_job(project=study), "cancel them: trainyard cancel --all -p study"),
        (lambda study: builders.job(project=study), "cancel them: trainyard cancel --all -p study"),
        (lambda study: builders.job(project=study, state="completed"), "Archive it"),
        (lambda study: builders.project(parent=study), "Move or delete those first"),
        (reserve, "Cancel its reservations first"),
    ],
)
def test_what_belongs_to_it_keeps_it_and_it_is_said_what_to_do(staff, study, belongs, words):
    belongs(study)
    refused = remove(staff)

    assert refused.status_code == 409
    assert words in refused.json()["detail"]
    assert Project.objects.filter(slug="study").exists()
    assert words in page(operator(), f"/admin/quotas/project/{study.pk}/change/").replace("&#x27;", "'")


@pytest.mark.parametrize(("at", "status"), [("team", 204), ("study", 403), ("other", 404)])
def test_it_is_deleted_by_an_admin_of_what_is_above_it(study, at, status):
    builders.project(slug="other")
    admin = builders.member(project=Project.objects.get(slug=at), role="admin")

    assert remove(client_of(admin)).status_code == status


def test_an_archived_project_stays_readable_and_takes_nothing_new(staff, study):
    job = builders.job(project=study, state="completed")
    staff.patch(f"{V1}/projects/study", {"archived": True})

    assert staff.get(f"{V1}/jobs/{job.pk}").json()["state"] == "completed"
    assert staff.post(f"{V1}/jobs", {"project": "study", "command": ["true"]}).status_code == 400


def test_usage_and_costs_of_a_deleted_project_stay_readable_by_its_name(staff, study, monkeypatch):
    monkeypatch.setattr(rollup, "database_now", lambda: at(30.5))
    Price.objects.create(target="cpu", per_hour=Decimal(1), currency="EUR", valid_from=at(-24))
    ran(0, 2, project=study)
    settlement.settle({one.pk: one.closed_at for one in Placement.objects.all() if one.closed_at})
    roll_up()
    forget_everything()

    assert remove(staff).status_code == 204

    asked = {"since": at(0).isoformat(), "until": at(48).isoformat()}
    assert [row["key"] for row in staff.get(f"{V1}/usage", asked).json()["rows"]] == ["study"]
    costs = staff.get(f"{V1}/costs", {"since": at(-24).isoformat()}).json()
    assert {one["key"]: float(one["cost"]) for one in costs["groups"]} == {"study": 16}
