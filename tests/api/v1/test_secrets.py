"""Secrets over REST: values go in and never come out; jobs name them, and wait where one is gone."""

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from knox.models import AuthToken

from jobs.models import Job, JobEvent, TokenCaps
from jobs.planning.cycle import run_cycle
from quotas.models import Secret
from tests import builders
from tests.rest import V1, client_of, faults, rows

pytestmark = pytest.mark.django_db
VALUE = "hunter22-of-vision"
URL = f"{V1}/projects/vision/secrets"
OWN = f"{V1}/me/secrets"


@pytest.fixture(autouse=True)
def keys(settings):
    settings.SECRETS_KEYS = Fernet.generate_key().decode()


@pytest.fixture
def org():
    return builders.project(slug="org")


@pytest.fixture
def vision(org):
    builders.queue()
    return builders.project(slug="vision", parent=org)


@pytest.fixture
def admin(vision):
    return client_of(builders.member(project=vision, role="admin"))


@pytest.fixture
def member(vision):
    return client_of(builders.member(project=vision, role="member"))


@pytest.fixture
def viewer(vision):
    return client_of(builders.member(project=vision, role="viewer"))


def put(client, url, value=VALUE):
    return client.put(url, {"value": value}, format="json")


def submit(client, *names, **more):
    return client.post(
        f"{V1}/jobs", {"project": "vision", "command": ["true"], "secrets": names, **more}, format="json"
    )


def test_a_value_goes_in_and_is_never_shown_again(admin, member):
    first = put(admin, f"{URL}/API_KEY")
    assert (first.status_code, put(admin, f"{URL}/API_KEY", "another").status_code) == (201, 200)
    assert set(first.json()) == {"name", "set_by", "set_at", "last_used_at"}
    [listed] = rows(member.get(URL))
    assert listed == member.get(f"{URL}/API_KEY").json()
    assert listed["name"] == "API_KEY"
    for answer in (first, member.get(URL), member.get(f"{URL}/API_KEY")):
        assert VALUE not in answer.content.decode()
    assert VALUE.encode() not in bytes(Secret.objects.get().encrypted)


def test_admins_write_members_name_viewers_and_strangers_see_nothing(admin, member, viewer):
    put(admin, f"{URL}/API_KEY")
    assert [put(one, f"{URL}/API_KEY").status_code for one in (member, viewer)] == [403, 403]
    assert [one.delete(f"{URL}/API_KEY").status_code for one in (member, viewer)] == [403, 403]
    assert viewer.get(URL).status_code == 403
    stranger = client_of(builders.user())
    assert [stranger.get(URL).status_code, put(stranger, f"{URL}/X").status_code] == [404, 404]
    assert client_of().get(URL).status_code == 401
    assert submit(member, "API_KEY").status_code == 201


def test_what_is_somebody_s_own_nobody_else_sees(admin, member):
    assert put(member, f"{OWN}/TOKEN").status_code == 201
    assert rows(admin.get(OWN)) == []
    assert [row["name"] for row in rows(member.get(OWN))] == ["TOKEN"]
    assert submit(member, "TOKEN").status_code == 201
    assert "TOKEN" in faults(submit(admin, "TOKEN"))["secrets"]
    assert member.delete(f"{OWN}/TOKEN").status_code == 204
    assert member.delete(f"{OWN}/TOKEN").status_code == 404


@pytest.mark.parametrize(
    ("name", "value", "field", "word"),
    [
        ("1KEY", "x", "name", "digit"),
        ("A-B", "x", "name", "letters"),
        ("TRAINYARD_JOB_ID", "x", "name", "TRAINYARD_"),
        ("A" * 129, "x", "name", "128"),
        ("KEY", "", "value", ""),
        ("KEY", "hunter22" * 8193, "value", "64 kB"),
        ("KEY", "hunter22\n" * 201, "value", "200 lines"),
        ("KEY", "hunter22\0", "value", ""),
        ("KEY", 7, "value", ""),
    ],
)
def test_what_is_refused_is_refused_by_field_and_not_repeated(admin, name, value, field, word):
    answer = put(admin, f"{URL}/{name}", value)
    assert answer.status_code == 400
    assert word in faults(answer)[field]
    assert "hunter22" not in answer.content.decode()
    assert not Secret.objects.exists()


def test_without_a_key_it_is_refused_by_the_name_of_the_setting(admin, settings):
    settings.SECRETS_KEYS = ""
    answer = put(admin, f"{URL}/KEY")
    assert (answer.status_code, "TRAINYARD_SECRETS_KEYS" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("names", "more", "word"),
    [
        (["API_KEY", "GONE", "ALSO"], {}, "GONE, ALSO do not exist in project vision"),
        (["TRAINYARD_X"], {}, "may not begin"),
        (["a b"], {}, "letters"),
        (["API_KEY"], {"env": {"API_KEY": "x"}}, "env as well"),
        ([f"K{number}" for number in range(21)], {}, "at most 20"),
        ({"API_KEY": "hunter22"}, {}, "no values"),
    ],
)
def test_jobs_name_what_there_is_and_nothing_else(admin, member, names, more, word):
    put(admin, f"{URL}/API_KEY")
    answer = member.post(
        f"{V1}/jobs", {"project": "vision", "command": ["true"], "secrets": names, **more}, format="json"
    )
    assert answer.status_code == 400
    assert word.lower() in faults(answer)["secrets"].lower()
    assert not Job.objects.exists()


def test_the_nearest_project_with_one_gives_it(org, admin, member):
    above = client_of(builders.member(project=org, role="admin"))
    assert put(above, f"{V1}/projects/org/secrets/API_KEY").status_code == 201
    assert submit(member, "API_KEY").json()["secrets"] == ["API_KEY"]
    assert rows(member.get(URL)) == []


def test_a_job_whose_secret_is_taken_back_waits_with_its_name_until_it_is_there_again(admin, member):
    builders.node(cpus=4)
    put(admin, f"{URL}/API_KEY")
    job = Job.objects.get(pk=submit(member, "API_KEY").json()["id"])
    admin.delete(f"{URL}/API_KEY")
    run_cycle()
    job.refresh_from_db()
    assert (job.state, [reason["code"] for reason in job.reasons]) == ("pending", ["secrets"])
    assert "Secret API_KEY does not exist" in job.reasons[0]["sentence"]
    assert "API_KEY" in member.get(f"{V1}/jobs/{job.pk}/explain").content.decode()
    put(admin, f"{URL}/API_KEY")
    run_cycle()
    job.refresh_from_db()
    assert job.state == "queued"


def test_who_set_and_who_deleted_it_stands_in_the_project_s_history(admin, vision):
    put(admin, f"{URL}/API_KEY")
    put(admin, f"{URL}/API_KEY", "another")
    admin.delete(f"{URL}/API_KEY")
    told = LogEntry.objects.filter(object_id=str(vision.pk)).order_by("pk").values_list("change_message", flat=True)
    assert list(told) == [f"Secret API_KEY was {what}." for what in ("set", "replaced", "deleted")]


def test_many_jobs_templates_and_schedules_carry_the_names(admin, member, vision):
    put(admin, f"{URL}/API_KEY")
    job = {"project": "vision", "command": ["true"], "secrets": ["API_KEY"]}
    batch = {"defaults": {"project": "vision", "secrets": ["API_KEY"]}, "jobs": [{"command": ["true"]}] * 2}
    assert member.post(f"{V1}/jobs/batch", batch, format="json").status_code == 201
    of_vision = {name: value for name, value in job.items() if name != "project"}
    template = {"name": "train", "project": "vision", "job": of_vision, "parameters": {}}
    assert admin.post(f"{V1}/templates", template, format="json").status_code == 201
    assert member.post(f"{V1}/templates/train/jobs", {}, format="json").status_code == 201
    schedule = member.post(f"{V1}/schedules", {"name": "nightly", "cron": "30 2 * * *", "job": job}, format="json")
    assert member.post(f"{V1}/schedules/{schedule.json()['id']}/run", format="json").status_code == 201
    assert list(Job.objects.values_list("secrets", flat=True)) == [["API_KEY"]] * 4
    assert not JobEvent.objects.filter(message__contains=VALUE).exists()


def as_file(name="API_KEY", file="gcp.json"):
    return {"name": name, "file": file}


def test_a_secret_may_be_a_file(admin, member):
    put(admin, f"{URL}/API_KEY")
    put(admin, f"{URL}/PLAIN")
    told = submit(member, "PLAIN", as_file(), as_file()).json()
    assert (told["secrets"], told["secret_files"]) == (["PLAIN", "API_KEY"], {"API_KEY": "gcp.json"})
    clone = f"{V1}/jobs/{told['id']}/clone"
    assert member.post(clone, {}, format="json").json()["secret_files"] == {"API_KEY": "gcp.json"}
    assert member.post(clone, {"secrets": ["API_KEY"]}, format="json").json()["secret_files"] == {}
    job = {"project": "vision", "command": ["true"], "secrets": [as_file()]}
    schedule = member.post(f"{V1}/schedules", {"name": "nightly", "cron": "30 2 * * *", "job": job}, format="json")
    again = member.post(f"{V1}/schedules/{schedule.json()['id']}/run", format="json")
    assert again.json()["secret_files"] == {"API_KEY": "gcp.json"}


@pytest.mark.parametrize(
    "file",
    ["../x", "a/b", "/etc/passwd", "..", ".", "a\nb", "a\0b", "-rf", "ü", "a b", "a" * 101, "gcp.json\n", "a\\b"],
)
def test_a_file_has_a_plain_name_and_lies_nowhere_else(admin, member, file):
    put(admin, f"{URL}/API_KEY")
    assert list(faults(submit(member, as_file(file=file)))) == ["secrets[0].file"]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("secrets", "more", "field", "word"),
    [
        ([as_file(file="")], {}, "secrets[0].file", "name of a file"),
        ([as_file(file=7)], {}, "secrets[0].file", "name of a file"),
        ([{"name": "API_KEY"}], {}, "secrets[0].file", "name of a file"),
        ([{"file": "a"}], {}, "secrets[0]", "Must be a name, or"),
        ([{**as_file(), "value": "x"}], {}, "secrets[0]", "Must be a name, or"),
        ([7], {}, "secrets[0]", "Must be a name, or"),
        (["API_KEY", as_file()], {}, "secrets[1]", "named twice"),
        ([as_file(), as_file(file="b")], {}, "secrets[1]", "named twice"),
        ([as_file(), as_file("OTHER")], {}, "secrets[1].file", "another secret"),
        ([as_file(), "API_KEY_FILE"], {}, "secrets", "two things"),
        ([as_file()], {"env": {"API_KEY_FILE": "x"}}, "secrets", "env as well"),
        ([as_file()], {"executor": "any"}, "secrets", "Clusters get no secrets"),
        ([as_file("GONE")], {}, "secrets", "GONE does not exist"),
    ],
)
def test_files_that_make_no_sense_are_refused_by_their_field(admin, member, secrets, more, field, word):
    for name in ("API_KEY", "OTHER", "API_KEY_FILE"):
        put(admin, f"{URL}/{name}")
    told = faults(submit(member, *secrets, **more))
    assert (list(told), word in told[field]) == ([field], True)


def test_clusters_get_none(admin, member):
    put(admin, f"{URL}/API_KEY")
    answer = submit(member, "API_KEY", executor="any")
    assert "Clusters get no secrets" in faults(answer)["secrets"]


def test_a_capped_token_changes_none(vision):
    user = builders.member(project=vision, role="admin")
    row, token = AuthToken.objects.create(user)
    TokenCaps.objects.create(digest=row.digest, max_gpus=1)
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert put(client, f"{URL}/API_KEY").status_code == 403
    assert put(client, f"{OWN}/API_KEY").status_code == 403
