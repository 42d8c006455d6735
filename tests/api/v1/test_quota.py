"""/queues/quota/{project} and /projects/{slug}/usage: limits, what is used, what is left; who may set them."""

import pytest

from api.v1.shapes.quotas import percent
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def quota(client, slug="team"):
    return client.get(f"{V1}/queues/quota/{slug}").json()


@pytest.fixture
def team():
    return builders.project(slug="team", parent=builders.project(slug="organisation"), quota={"gpus": 4, "cpus": 16})


def test_without_a_quota_nothing_is_limited(staff):
    builders.project(slug="free")
    answer = quota(staff, "free")
    assert answer["provider"] == "local"
    assert set(answer["limits"].values()) == set(answer["available"].values()) == {None}


def test_usage_is_what_open_placements_hold_below_too(staff, team):
    study = builders.project(parent=team)
    builders.running_job(project=study, gpu_indices=[0, 1], cpus=3, memory_mb=1536)
    builders.running_job(project=team, cpus=1)
    builders.job(project=study), builders.job(project=study, state="completed")
    answer = quota(staff)
    assert answer["usage"] == {
        "gpus": 2,
        "cpus": 4,
        "memory_gb": 1.5,
        "running_jobs": 2,
        "waiting_jobs": 1,
        "gpu_hours_ahead": None,
    }
    assert answer["available"] == {
        "gpus": 2, "cpus": 12, "memory_gb": None, "running_jobs": None, "waiting_jobs": None,
    "gpu_hours_ahead": None }  # fmt: skip


def test_what_is_left_also_minds_the_quotas_above(staff, team):
    builders.running_job(project=builders.project(parent=team.parent), gpu_indices=[0])
    staff.patch(f"{V1}/queues/quota/organisation", {"limits": {"gpus": 3}})
    assert quota(staff)["available"]["gpus"] == 2


def test_a_quota_that_is_not_enforced_holds_nothing_back(staff, team):
    assert staff.patch(f"{V1}/queues/quota/team", {"enforced": False}).json()["enforced"] is False
    assert quota(staff)["limits"]["gpus"] == 4
    assert quota(staff)["available"]["gpus"] is None


def test_limits_that_are_not_named_stay(staff, team):
    answer = staff.patch(f"{V1}/queues/quota/team", {"limits": {"gpus": None, "memory_gb": 0.5}}).json()
    assert answer["limits"] == {
        "gpus": None,
        "cpus": 16,
        "memory_gb": 0.5,
        "running_jobs": None,
        "waiting_jobs": None,
        "gpu_hours_ahead": None,
    }


def test_the_first_limit_of_a_project_makes_its_quota(staff):
    builders.project(slug="free")
    assert staff.patch(f"{V1}/queues/quota/free", {"limits": {"running_jobs": 0}}).json()["limits"]["running_jobs"] == 0


def test_a_quota_is_granted_from_above(team):
    body = {"limits": {"gpus": 100}}
    above = client_of(builders.member(project=team.parent, role="admin"))
    own = client_of(builders.member(project=team, role="admin"))
    assert above.patch(f"{V1}/queues/quota/team", body).status_code == 200
    assert own.patch(f"{V1}/queues/quota/team", body).status_code == 403
    assert above.patch(f"{V1}/queues/quota/organisation", body).status_code == 403
    assert client_of(builders.user()).patch(f"{V1}/queues/quota/team", body).status_code == 404


def test_viewers_see_the_quota_outsiders_do_not(team):
    assert quota(client_of(builders.member(project=team, role="viewer")))["project"] == "team"
    outsider = client_of(builders.user())
    for url in ("queues/quota/team", "projects/team/usage"):
        assert outsider.get(f"{V1}/{url}").status_code == 404
        assert client_of().get(f"{V1}/{url}").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limits": {"gpus": -1}}, "limits.gpus"),
        ({"limits": {"gpus": "many"}}, "limits.gpus"),
        ({"limits": {"memory_gb": -1}}, "limits.memory_gb"),
        ({"limits": {"cpus": 10**12}}, "limits.cpus"),
        ({"limits": {"gpu": 1}}, "limits.gpu"),
        ({"limits": 5}, "limits"),
        ({"enforced": "perhaps"}, "enforced"),
        ({"gpus": 4}, "gpus"),
    ],
)
def test_a_quota_that_cannot_be_is_refused_by_name(staff, team, body, field):
    assert field in faults(staff.patch(f"{V1}/queues/quota/team", body))


def test_sync_and_usage_answer_the_same_document(staff, team):
    builders.running_job(project=team, gpu_indices=[0])
    documents = [staff.post(f"{V1}/queues/quota/team/sync"), staff.get(f"{V1}/projects/team/usage")]
    synced = [document.json().pop("synced_at") for document in documents]
    assert [{**document.json(), "synced_at": ""} for document in documents] == [{**quota(staff), "synced_at": ""}] * 2
    assert synced[0] < synced[1] < quota(staff)["synced_at"]


def test_more_projects_and_jobs_take_no_more_statements(staff, team, django_assert_num_queries):
    def statements():
        # The project, the tree, open placements, waiting jobs; the tree, outputs, their limits, code.
        with django_assert_num_queries(8):
            quota(staff)

    statements()
    for _ in range(10):
        builders.running_job(project=builders.project(parent=team))
    statements()


def test_a_quota_is_also_told_in_a_field_for_each_amount(staff, team):
    builders.running_job(project=team, gpu_indices=[0], cpus=4, memory_mb=2048)
    answer = quota(staff)
    assert (answer["cpu_quota"], answer["used_cpu"], answer["available_cpu"]) == (16, 4, 12)
    assert (answer["cpu_usage_percent"], answer["gpu_usage_percent"]) == (25.0, 25.0)
    assert (answer["memory_quota"], answer["used_memory"], answer["memory_usage_percent"]) == (None, 2, None)
    assert (answer["provider"], answer["enforce_quota"]) == ("local", True)
    assert answer["synced_at"].endswith("Z")


def test_a_quota_may_be_set_in_a_field_for_each_amount(staff, team):
    body = {"cpu_quota": 8, "memory_quota": 2.5, "gpu_quota": None, "enforce_quota": False}
    answer = staff.patch(f"{V1}/queues/quota/team", body).json()
    assert answer["limits"] == {
        "cpus": 8,
        "memory_gb": 2.5,
        "gpus": None,
        "running_jobs": None,
        "waiting_jobs": None,
        "gpu_hours_ahead": None,
    }
    assert answer["enforced"] is answer["enforce_quota"] is False


def test_both_forms_may_agree_and_a_contradiction_is_refused_by_name(staff, team):
    url = f"{V1}/queues/quota/team"
    assert staff.patch(url, {"cpu_quota": 3, "limits": {"cpus": 3}}).json()["cpu_quota"] == 3
    assert set(faults(staff.patch(url, {"cpu_quota": 3, "limits": {"cpus": 4}}))) == {"cpu_quota"}
    assert set(faults(staff.patch(url, {"enforced": True, "enforce_quota": False}))) == {"enforce_quota"}
    assert set(faults(staff.patch(url, {"cpu_quota": -1, "memory_quota": "much"}))) == {"cpu_quota", "memory_quota"}


@pytest.mark.parametrize(("used", "limit", "share"), [(0, 0, None), (1, 0, 100.0), (3, None, None), (1, 3, 33.3)])
def test_the_share_of_a_quota(used, limit, share):
    assert percent(used, limit) == share


@pytest.fixture
def cohort():
    organisation = builders.project(slug="organisation")
    lender = builders.project(slug="lender", parent=organisation, quota={"gpus": 4})
    borrower = builders.project(slug="borrower", parent=organisation, quota={"gpus": 2, "borrowing_gpus": 3})
    builders.running_job(project=borrower, gpu_indices=[0, 1, 2, 3], cpus=1)
    return lender, borrower


def test_what_may_be_borrowed_and_lent_is_set_and_shown(staff, team):
    answer = staff.patch(
        f"{V1}/queues/quota/team",
        {"borrowing_limits": {"gpus": 2, "memory_gb": 1.5}, "lending_limits": {"gpus": 0}},
    ).json()

    assert answer["borrowing_limits"] == {"gpus": 2, "cpus": None, "memory_gb": 1.5}
    assert answer["lending_limits"] == {"gpus": 0, "cpus": None, "memory_gb": None}
    assert answer["limits"]["gpus"] == 4
    assert staff.patch(f"{V1}/queues/quota/team", {"borrowing_limits": {"gpus": None}}).json()["borrowing_limits"] == {
        "gpus": None, "cpus": None, "memory_gb": 1.5,
    }  # fmt: skip


def test_what_is_borrowed_and_lent_is_told(staff, cohort):
    borrows, lends = quota(staff, "borrower"), quota(staff, "lender")

    assert (borrows["borrowed"]["gpus"], borrows["lent"]["gpus"], borrows["available"]["gpus"]) == (2, 0, 1)
    assert (lends["borrowed"]["gpus"], lends["lent"]["gpus"], lends["available"]["gpus"]) == (0, 2, 2)


@pytest.mark.parametrize("limit", [-1, 1.5, 0.125, 1e308, 2**31, True, "many", [1]])
@pytest.mark.parametrize("kind", ["limits", "borrowing_limits", "lending_limits"])
def test_nonsense_is_refused_by_name(staff, team, kind, limit):
    response = staff.patch(f"{V1}/queues/quota/team", {kind: {"gpus": limit}})

    assert set(faults(response)) == {f"{kind}.gpus"}


def test_not_a_number_is_refused(staff, team):
    body = '{"borrowing_limits": {"gpus": NaN}}'

    assert staff.generic("PATCH", f"{V1}/queues/quota/team", body, content_type="application/json").status_code == 400


def test_a_project_s_own_admin_lends_nothing_that_somebody_above_has_granted(team):
    own, above = builders.member(project=team, role="admin"), builders.member(project=team.parent, role="admin")
    body = {"borrowing_limits": {"gpus": 9}}

    assert client_of(own).patch(f"{V1}/queues/quota/team", body).status_code == 403
    assert client_of(above).patch(f"{V1}/queues/quota/team", body).status_code == 200


def test_what_limits_a_project_is_told_with_all_figures_and_in_words(staff, team):
    builders.running_job(project=team, gpu_indices=[0, 1], memory_mb=1536)
    builders.job(project=team, gpus=3)
    staff.patch(f"{V1}/queues/quota/organisation", {"limits": {"memory_gb": 8}})
    gpus, cpus, memory = quota(staff)["bars"]
    assert gpus == {
        "resource": "gpus", "used": 2, "waiting": 3, "quota_of": "team", "nominal": 4, "held": 2, "borrowing_limit": 0,
        "borrowed": 0, "over": 0, "lent": 0, "lending_limit": None, "enforced": True,
        "sentence": "2 of 4 GPUs used, 3 asked for by those that wait",
    }  # fmt: skip
    assert cpus["resource"] == "cpus"
    assert (memory["resource"], memory["used"], memory["nominal"], memory["quota_of"]) == (
        "memory_gb",
        1.5,
        8,
        "organisation",
    )
    assert staff.get(f"{V1}/projects/team/usage").json()["bars"] == [gpus, cpus, memory]
