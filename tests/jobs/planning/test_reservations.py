"""Nodes that are kept: who sees, makes and gives back reservations, and what they do to the line."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils import timezone

from jobs.models.planning import Reservation, ReservedNode
from jobs.planning import cycle
from jobs.planning.snapshot import take_snapshot
from scheduling.lifecycle import JobState
from tests import builders
from tests.rest import V1, client_of, faults, rows
from workers.models import Node

pytestmark = pytest.mark.django_db
URL = f"{V1}/reservations"


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture(autouse=True)
def machines():
    return [builders.node(name=name, cpus=4) for name in ("n1", "n2")]


def at(hours):
    return (timezone.now() + timedelta(hours=hours)).isoformat()


def wanted(name="repair", *, nodes=("n1",), start=1.0, end=2.0, **fields):
    return {"name": name, "nodes": list(nodes), "start": at(start), "end": at(end)} | fields


def test_staff_keep_nodes_for_a_project_and_the_planner_hears_of_it(staff):
    builders.project(slug="vision")
    made = staff.post(URL, wanted("demo", nodes=["n2", "n1"], project="vision"))
    assert made.status_code == 201, made.content
    assert (made.json()["nodes"], made.json()["project"]) == (["n1", "n2"], "vision")
    [seen] = take_snapshot().reservations
    assert (seen.name, seen.nodes, seen.project) == ("demo", ("n1", "n2"), "vision")
    assert seen.end - seen.start == pytest.approx(3_600, abs=1)


def test_a_job_that_could_run_into_maintenance_is_not_started_and_is_after_it_was_given_back(staff):
    staff.post(URL, wanted(nodes=["n1", "n2"]))
    long, short = builders.job(max_runtime_seconds=7_200), builders.job(max_runtime_seconds=60)
    cycle.run_cycle()
    for job in (long, short):
        job.refresh_from_db()
    assert (long.state, short.state) == (JobState.PENDING, JobState.QUEUED)

    assert staff.delete(f"{URL}/repair").status_code == 204
    cycle.run_cycle()
    long.refresh_from_db()
    assert long.state == JobState.QUEUED
    assert Reservation.objects.count() == ReservedNode.objects.count() == 0


def test_another_project_waits_for_its_end_and_a_project_below_may_run():
    above = builders.project(slug="vision")
    kept = Reservation.objects.create(
        name="demo", project=above, start=timezone.now(), end=timezone.now() + timedelta(hours=1)
    )
    keep(kept, "n1", "n2")
    inside, outside = builders.job(project=builders.project(parent=above)), builders.job()
    cycle.run_cycle()
    for job in (inside, outside):
        job.refresh_from_db()
    assert (inside.state, outside.state) == (JobState.QUEUED, JobState.PENDING)
    assert outside.reasons


def keep(reservation, *names):
    during = DateTimeTZRange(reservation.start, reservation.end)
    for node in Node.objects.filter(name__in=names):
        ReservedNode.objects.create(reservation=reservation, node=node, during=during)


def test_what_overlaps_is_refused_by_name_and_what_follows_is_not(staff):
    assert staff.post(URL, wanted("first", nodes=["n1", "n2"])).status_code == 201
    refused = staff.post(URL, wanted("second", start=1.5, end=3))
    assert refused.status_code == 400
    assert faults(refused) == {"nodes": "Node n1 is kept by reservation first then."}
    assert staff.post(URL, wanted("third", start=2.1, end=3)).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"end": 0.5}, "end"),
        ({"start": -3.0, "end": -2.0}, "end"),
        ({"nodes": ["n1", "n9"]}, "nodes"),
        ({"nodes": []}, "nodes"),
        ({"nodes": [1]}, "nodes"),
        ({"name": "No Name"}, "name"),
        ({"project": "nobody"}, "project"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(staff, body, field):
    response = staff.post(URL, wanted(**body))
    assert response.status_code == 400
    assert {name.partition("[")[0].partition(".")[0] for name in faults(response)} == {field}
    assert not Reservation.objects.exists()


def test_a_name_is_taken_once(staff):
    staff.post(URL, wanted())
    assert set(faults(staff.post(URL, wanted(start=5, end=6)))) == {"name"}


def test_a_time_without_a_zone_is_refused(staff):
    assert set(faults(staff.post(URL, wanted() | {"start": "2030-01-01T00:00:00"}))) == {"start"}


def test_the_database_refuses_what_two_at_once_could_slip_in(staff):
    staff.post(URL, wanted())
    start = timezone.now() + timedelta(hours=1.5)
    other = Reservation.objects.create(name="other", start=start, end=start + timedelta(hours=1))
    with pytest.raises(IntegrityError, match="node_reserved_once"), transaction.atomic():
        keep(other, "n1")
    keep(other, "n2")


def test_members_see_maintenance_and_what_is_kept_for_them_or_those_above(staff):
    above = builders.project(slug="above")
    builders.project(slug="elsewhere")
    member = client_of(builders.member(project=builders.project(parent=above), role="viewer"))
    staff.post(URL, wanted("a", project="above"))
    staff.post(URL, wanted("b", start=2.5, end=3, project="elsewhere"))
    staff.post(URL, wanted("c", start=3.5, end=4))
    assert [row["name"] for row in rows(member.get(URL))] == ["a", "c"]
    assert [row["name"] for row in rows(staff.get(URL))] == ["a", "b", "c"]
    assert (member.get(f"{URL}/a").status_code, member.get(f"{URL}/b").status_code) == (200, 404)
    assert member.post(URL, wanted("d")).status_code == 403
    assert member.delete(f"{URL}/a").status_code == 403
    assert client_of().get(URL).status_code == 401


def test_more_reservations_take_no_more_statements(staff, django_assert_max_num_queries):
    for number in range(8):
        staff.post(URL, wanted(f"r{number}", start=2 * number + 1, end=2 * number + 2, nodes=["n1", "n2"]))
    with django_assert_max_num_queries(3):
        assert len(rows(staff.get(URL))) == 8


def test_what_is_over_is_not_planned_with():
    now = timezone.now()
    Reservation.objects.create(name="old", start=now - timedelta(hours=2), end=now - timedelta(hours=1))
    assert take_snapshot().reservations == ()


@pytest.fixture
def admin(client):
    client.force_login(builders.user(staff=True, is_superuser=True))
    return client


def form(**fields):
    start, end = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(hours=2)
    return {
        "name": "repair", "project": "", "nodes": [node.pk for node in Node.objects.filter(name="n1")],
        "start_0": start.date(), "start_1": start.time(), "end_0": end.date(), "end_1": end.time(),
    } | fields  # fmt: skip


def test_the_admin_keeps_nodes_and_gives_them_back(admin):
    assert admin.post("/admin/jobs/reservation/add/", form()).status_code == 302
    kept = Reservation.objects.get()
    assert "maintenance" in admin.get("/admin/jobs/reservation/").content.decode()
    assert "n1" in admin.get(f"/admin/jobs/reservation/{kept.pk}/change/").content.decode()
    admin.post(f"/admin/jobs/reservation/{kept.pk}/delete/", {"post": "yes"})
    assert not Reservation.objects.exists()


def test_the_admin_names_the_reservation_that_is_in_the_way(admin):
    admin.post("/admin/jobs/reservation/add/", form())
    answer = admin.post("/admin/jobs/reservation/add/", form(name="second"))
    assert "kept by reservation repair" in answer.content.decode()
