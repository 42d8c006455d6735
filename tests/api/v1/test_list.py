"""GET /jobs: who sees what, filters, orders, pages."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Cycle
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
URL = f"{V1}/jobs"


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def names(response):
    return [row["name"] for row in rows(response)]


def test_members_see_the_jobs_of_their_projects_and_of_those_below():
    organisation = builders.project()
    team = builders.project(parent=organisation)
    builders.job(project=organisation, name="above")
    builders.job(project=builders.project(parent=team), name="below")
    builders.job(name="elsewhere")
    assert names(client_of(builders.member(project=team, role="viewer")).get(URL)) == ["below"]


def test_staff_see_everything_newest_first(staff):
    builders.job(name="old"), builders.job(name="new")
    assert names(staff.get(URL)) == ["new", "old"]


def test_a_stranger_sees_nothing():
    assert client_of().get(URL).status_code == 401


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=running", ["gpu"]),
        ("state=running&state=failed", ["gpu", "old"]),
        ("state=running,failed", ["gpu", "old"]),
        ("project=vision", ["gpu"]),
        ("queue=batch", ["old"]),
        ("owner=ada", ["gpu"]),
        ("hardware=gpu", ["gpu"]),
        ("hardware=cpu", ["cpu", "old"]),
        ("priority_min=60", ["gpu"]),
        ("priority_max=20", ["old"]),
        ("node=n1", ["gpu"]),
        ("name=P", ["gpu", "cpu"]),
        ("label=sweep=lr", ["cpu"]),
        ("label=sweep", ["cpu", "old"]),
        ("label=sweep&label=seed=1", ["old"]),
        ("submission_key=k1", ["cpu"]),
        ("state=running&project=other", []),
    ],
)
def test_filters(staff, query, found):
    builders.job(name="old", state="failed", queue="batch", priority=10, labels={"sweep": "wd", "seed": "1"})
    builders.job(name="cpu", labels={"sweep": "lr"}, submission_key="k1")
    builders.running_job(
        name="gpu", project=builders.project(slug="vision"), owner=builders.user(username="ada"), priority=90,
        node=builders.node(name="n1", gpus=1), gpu_indices=[0],
    )  # fmt: skip
    assert set(names(staff.get(f"{URL}?{query}"))) == set(found)


def test_my_jobs():
    ada = builders.user(staff=True)
    builders.job(owner=ada, name="mine"), builders.job(name="theirs")
    assert names(client_of(ada).get(f"{URL}?owner=me")) == ["mine"]


def test_created_between(staff):
    now = timezone.now()
    for hours in (1, 2, 3):
        builders.job(name=f"{hours}h", created_at=now - timedelta(hours=hours))
    after, before = now - timedelta(hours=2.5), now - timedelta(hours=1.5)
    assert names(staff.get(URL, {"created_after": after.isoformat(), "created_before": before.isoformat()})) == ["2h"]


@pytest.mark.parametrize(
    "query",
    ["stat=running", "state=busy", "hardware=tpu", "priority_min=high", "priority_min=NaN", "created_after=soon",
     "ordering=name", "page_size=0", "page_size=201", "page_size=many", "cursor=!!", "cursor=cD1hYmM%3D",
     "cursor=bz0xJnA9JTAw", "label=%3Dx", "held=maybe", "suspended=2", "name=%00", "project=%00", "label=a%00", "owner=%00"],
)  # fmt: skip
def test_a_question_that_cannot_be_is_refused_by_name(staff, query):
    response = staff.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert set(faults(response)) == {query.partition("=")[0]}


def test_a_state_that_is_none_is_refused_with_those_there_are(staff):
    words = faults(staff.get(f"{URL}?state=busy"))["state"]
    assert words.startswith("There is no state busy. There are: pending, queued, ")


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [("-id", ["c", "b", "a"]), ("id", ["a", "b", "c"]), ("-priority", ["b", "a", "c"]), ("priority", ["c", "a", "b"])],
)
def test_orders_of_equal_priority_the_older_is_the_more_urgent(staff, ordering, expected):
    builders.job(name="a", priority=50), builders.job(name="b", priority=90), builders.job(name="c", priority=50)
    assert names(staff.get(f"{URL}?ordering={ordering}")) == expected


@pytest.mark.parametrize("ordering", ["-id", "id", "-priority", "priority"])
def test_pages_show_every_job_once_and_lead_back(staff, ordering):
    project = builders.project()
    made = [builders.job(project=project, priority=50).pk for _ in range(7)]
    seen, url = [], f"{URL}?page_size=3&ordering={ordering}"
    while url:
        page = staff.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url, back = page["next"], page["previous"]
    assert sorted(seen) == made
    assert len(staff.get(back).json()["results"]) == 3


def test_the_place_in_line_comes_from_the_last_cycle(staff):
    first, second, unseen = builders.job(), builders.job(), builders.job()
    builders.running_job()
    Cycle.objects.update(line=[second.pk, first.pk])
    positions = {row["id"]: row["position"] for row in rows(staff.get(URL))}
    assert (positions[second.pk], positions[first.pk], positions[unseen.pk]) == (1, 2, None)


def test_a_longer_list_takes_no_more_statements(django_assert_num_queries):
    project = builders.project()
    client = client_of(builders.member(project=project))

    def add(count):
        for _ in range(count):
            needed = builders.job(project=project, owner=builders.user())
            builders.job(project=project, depends_on=[needed], node=builders.node(), queue=builders.queue())

    add(3)
    with django_assert_num_queries(5):  # the tree, my memberships, jobs, dependencies, places in line
        assert len(rows(client.get(URL))) == 6
    add(10)
    with django_assert_num_queries(5):
        assert len(rows(client.get(URL))) == 26
