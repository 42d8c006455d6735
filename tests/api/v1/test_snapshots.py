"""Code that jobs bring along, over REST: manifests, uploads in pieces, who may, and what a job may name."""

import hashlib
import json

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from jobs.code import blobs
from jobs.models import CodeBlob, CodePack, CodeSnapshot, Job
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
URL = f"{V1}/snapshots"
TRAIN, CONFIG = b"print('hello')\n", b"lr: 0.1\n"


@pytest.fixture(autouse=True)
def code_folder(settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    return tmp_path / "code"


@pytest.fixture
def vision():
    return builders.project(slug="vision")


@pytest.fixture
def member(vision):
    return client_of(builders.member(project=vision, role="member"))


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


def file(path, content, **more):
    return {"path": path, "size": len(content), "parts": [hash_of(content)] if content else [], **more}


FILES = [
    file("train.py", TRAIN, executable=True),
    file("conf/a.yaml", CONFIG),
    {"path": "latest", "link": "conf/a.yaml"},
]


def create(client, files=FILES, project="vision", **more):
    body = json.dumps({"project": project, "files": files, **more})  # in ASCII: also what is no text gets through
    return client.post(URL, body, content_type="application/json")


def upload(client, snapshot_id, *contents, index=None):
    index = [[hash_of(one), len(one)] for one in contents] if index is None else index
    body = json.dumps(index).encode() + b"\n" + b"".join(contents)
    return client.put(f"{URL}/{snapshot_id}/blobs", body, content_type="application/octet-stream")


def complete(client, snapshot_id):
    return client.post(f"{URL}/{snapshot_id}/complete")


def uploaded(client, **more):
    snapshot = create(client, **more).json()
    assert upload(client, snapshot["id"], TRAIN, CONFIG).status_code == 200
    assert complete(client, snapshot["id"]).json()["complete"]
    return snapshot["id"]


def submit(client, project="vision", **more):
    return client.post(f"{V1}/jobs", {"project": project, "command": ["python", "train.py"], **more}, format="json")


def test_a_folder_is_said_uploaded_and_named_by_a_job(member):
    git = {"commit": "a" * 40, "branch": "main", "dirty": True, "diff": "-lr: 1\n+lr: 0.1\n"}
    answer = create(member, git=git)
    assert answer.status_code == 201, answer.json()
    snapshot = answer.json()
    assert sorted(snapshot["missing"]) == sorted([hash_of(TRAIN), hash_of(CONFIG)])
    assert (snapshot["complete"], snapshot["files"], snapshot["size"]) == (False, 3, len(TRAIN) + len(CONFIG))

    assert upload(member, snapshot["id"], TRAIN, CONFIG).json() == {"stored": 2}
    assert complete(member, snapshot["id"]).status_code == 200
    assert member.get(f"{URL}/{snapshot['id']}").json()["diff"] == git["diff"]

    job = submit(member, snapshot=snapshot["id"], working_dir="conf")
    assert job.status_code == 201, job.json()
    code = {
        "snapshot": snapshot["id"],
        "digest": snapshot["digest"],
        "commit": "a" * 40,
        "branch": "main",
        "dirty": True,
    }
    assert job.json()["code"] == code
    assert member.get(f"{V1}/jobs/{job.json()['id']}").json()["code"] == code
    assert member.get(f"{V1}/jobs").json()["results"][0]["code"] == code


def test_a_folder_that_is_known_asks_for_nothing(member):
    first = uploaded(member)
    again = create(member)
    assert (again.status_code, again.json()["id"], again.json()["missing"]) == (200, first, [])
    other = create(member, files=[*FILES, file("more.py", TRAIN)])
    assert (other.status_code, other.json()["complete"]) == (201, True)


def test_an_upload_goes_on_where_it_broke_off(member):
    snapshot = create(member).json()
    upload(member, snapshot["id"], TRAIN)
    assert create(member).json()["missing"] == [hash_of(CONFIG)]
    assert complete(member, snapshot["id"]).status_code == 409
    upload(member, snapshot["id"], CONFIG)
    upload(member, snapshot["id"], CONFIG)
    assert complete(member, snapshot["id"]).status_code == 200
    assert CodeBlob.objects.count() == 2


def test_what_is_half_uploaded_is_no_code_of_a_job(member):
    snapshot = create(member).json()
    upload(member, snapshot["id"], TRAIN)
    answer = submit(member, snapshot=snapshot["id"])
    assert answer.status_code == 400
    assert "not uploaded yet" in faults(answer)["snapshot"]
    assert not Job.objects.exists()


def test_a_large_file_comes_in_parts(member):
    one, two = b"a" * (8 * 2**20), b"b" * 1000
    parts = [{"path": "data.bin", "size": len(one) + len(two), "parts": [hash_of(one), hash_of(two)]}]
    snapshot = create(member, files=parts).json()
    assert upload(member, snapshot["id"], one).status_code == 200
    assert create(member, files=parts).json()["missing"] == [hash_of(two)]
    assert upload(member, snapshot["id"], two).status_code == 200
    assert complete(member, snapshot["id"]).status_code == 200


@given(
    st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=12, unique=True),
    st.lists(st.integers(1, 5), min_size=12, max_size=12),
)
@trials(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_came_in_whatever_bodies_comes_back_as_it_was(member, vision, contents, cuts):
    files = [file(f"{number}.py", one) for number, one in enumerate(contents)]
    snapshot, at = create(member, files=files).json(), 0
    for cut in cuts:
        if body := contents[max(0, at - 1) : at + cut]:  # the last one of the body before is sent again
            assert upload(member, snapshot["id"], *body).json() == {"stored": len(body)}
        at += cut
    assert complete(member, snapshot["id"]).status_code == 200
    found = blobs.locate(vision.pk, {hash_of(one) for one in contents})
    assert {blob.sha256: b"".join(blobs.content([blob], 0, blob.size)) for blob in found} == {
        hash_of(one): one for one in contents
    }


def test_the_bodies_of_an_upload_read_the_manifest_once(member):
    files = [file(f"{number}.py", b"%d" % number) for number in range(30)]
    snapshot = create(member, files=files).json()
    with CaptureQueriesContext(connection) as queries:
        for number in range(30):
            upload(member, snapshot["id"], b"%d" % number)
    assert sum('"manifest"' in one["sql"] for one in queries) <= 1


def test_thousands_of_hashes_are_one_parameter(member, monkeypatch):
    """Each parameter costs as much as what is done with it; of thousands that is most of an upload."""
    asked, execute = [], CursorWrapper.execute

    def noted(self, sql, params=None):
        asked.append(sum(len(one) if isinstance(one, list) else 1 for one in params or ()))
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    files = [file(f"{number}.py", b"%d" % number) for number in range(100)]
    create(member, files=files)
    assert max(asked) < 100


def test_a_body_holds_only_so_much(member):
    contents = [bytes([number]) * (5 * 2**20) for number in range(2)]
    snapshot = create(member, files=[file(f"{number}", one) for number, one in enumerate(contents)]).json()
    answer = upload(member, snapshot["id"], *contents)
    assert "at most 8388608 bytes" in faults(answer)["body"]
    assert not CodePack.objects.exists()


def test_a_body_asks_once_who_may_do_what(member):
    snapshot = create(member).json()
    with CaptureQueriesContext(connection) as queries:
        upload(member, snapshot["id"], TRAIN)
    assert sum('FROM "quotas_membership"' in one["sql"] for one in queries) == 1


@pytest.mark.parametrize(
    ("contents", "index", "words"),
    [
        ([TRAIN[::-1]], [[hash_of(TRAIN), len(TRAIN)]], "has another hash"),
        ([TRAIN, CONFIG[::-1]], [[hash_of(TRAIN), len(TRAIN)], [hash_of(CONFIG), len(CONFIG)]], "has another hash"),
        ([TRAIN[:-1]], [[hash_of(TRAIN), len(TRAIN)]], "shorter"),
        ([TRAIN, CONFIG[:-1]], [[hash_of(TRAIN), len(TRAIN)], [hash_of(CONFIG), len(CONFIG)]], "shorter"),
        ([TRAIN, b"x"], [[hash_of(TRAIN), len(TRAIN)]], "more of it"),
        ([b"other"], None, "no part of this snapshot"),
        ([TRAIN], [[hash_of(TRAIN), 3]], "no part of this snapshot"),
        ([TRAIN], [[hash_of(TRAIN), len(TRAIN)]] * 2, "each once"),
        ([], [], "name blobs"),
        ([], {"a": 1}, "first line"),
        ([], "nonsense", "first line"),
    ],
)
def test_what_is_not_what_it_says_is_refused_whole(member, contents, index, words):
    snapshot = create(member).json()
    answer = upload(member, snapshot["id"], *contents, index=index)
    assert answer.status_code == 400, answer.content
    assert words in faults(answer)["body"]
    assert not CodeBlob.objects.exists()
    assert not CodePack.objects.exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/passwd", "below the folder"),
        ("../up", "below the folder"),
        ("a/../../b", "below the folder"),
        ("a//b", "below the folder"),
        ("", "below the folder"),
        ("a\x00b", "below the folder"),
        ("x" * 256, "255"),
        ("\ud800", "UTF-8"),
        (7, "below the folder"),
    ],
)
def test_a_path_stays_below_the_folder(member, path, words):
    answer = create(member, files=[file("ok.py", TRAIN), {**file("x", TRAIN), "path": path}])
    assert answer.status_code == 400
    assert words in faults(answer)["files[1].path"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "..", "a/../../../x"])
def test_a_link_that_leads_out_is_refused(member, target):
    answer = create(member, files=[{"path": "link" if target == ".." else "a/link", "link": target}])
    assert answer.status_code == 400
    assert "Leads out" in faults(answer)["files[0].link"]


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ([file("a", TRAIN), file("a", CONFIG)], "files"),
        ([file("a", TRAIN), file("a/b", CONFIG)], "files"),
        ([{**file("a", TRAIN), "parts": []}], "files[0].parts"),
        ([{**file("a", TRAIN), "parts": ["x"]}], "files[0].parts"),
        ([{**file("a", TRAIN), "size": -1}], "files[0].size"),
        ([{**file("a", TRAIN), "mode": 7}], "files[0]"),
        (["a"], "files[0]"),
        ({"a": 1}, "files"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_by_name(member, files, field):
    answer = create(member, files=files)
    assert answer.status_code == 400
    assert field in faults(answer), answer.json()


def test_what_is_too_large_is_refused(member, settings):
    settings.CODE_FILES = 2
    assert "at most 2 files" in faults(create(member))["files"]
    settings.CODE_FILES, settings.CODE_MB = 100, 0.00001
    assert "MB" in faults(create(member))["files"]
    assert member.get(f"{URL}/limits").json()["files"] == 100


def test_a_project_has_room_for_so_much_code(member, settings):
    settings.CODE_PROJECT_GB = 1e-9
    snapshot = create(member).json()
    answer = upload(member, snapshot["id"], TRAIN)
    assert "takes the" in faults(answer)["project"]


def test_another_project_neither_sees_it_nor_learns_what_is_there(member):
    snapshot_id = uploaded(member)
    speech = builders.project(slug="speech")
    stranger = client_of(builders.member(project=speech, role="member"))

    assert stranger.get(f"{URL}/{snapshot_id}").status_code == 404
    assert upload(stranger, snapshot_id, TRAIN).status_code == 404
    assert complete(stranger, snapshot_id).status_code == 404
    assert create(stranger).status_code == 404
    assert len(create(stranger, project="speech").json()["missing"]) == 2
    answer = submit(stranger, project="speech", snapshot=snapshot_id)
    assert answer.status_code == 400
    assert faults(answer)["snapshot"] == f"There is no snapshot {snapshot_id} in project speech."


def test_who_is_in_both_projects_uploads_to_each(member, vision):
    speech = builders.project(slug="speech")
    both = builders.member(project=vision, role="member")
    builders.member(project=speech, user=both)
    client = client_of(both)
    snapshot_id = uploaded(client)
    assert "no snapshot" in faults(submit(client, project="speech", snapshot=snapshot_id))["snapshot"]


def test_a_viewer_looks_and_uploads_nothing(vision, member):
    snapshot_id = uploaded(member)
    viewer = client_of(builders.member(project=vision, role="viewer"))
    assert viewer.get(f"{URL}/{snapshot_id}").status_code == 200
    assert create(viewer).status_code == 403
    assert upload(viewer, snapshot_id, TRAIN).status_code == 403


@pytest.mark.parametrize("folder", ["/abs", "../x", "a/../..", "a/"])
def test_a_job_starts_inside_of_its_code(member, folder):
    answer = submit(member, snapshot=uploaded(member), working_dir=folder)
    assert answer.status_code == 400
    assert "inside the snapshot" in faults(answer)["working_dir"]


def test_a_sweep_names_one_snapshot_for_all(member):
    snapshot_id = uploaded(member)
    jobs = [{"command": ["a"]}, {"command": ["b"]}]
    body = {"defaults": {"project": "vision", "snapshot": snapshot_id}, "jobs": jobs}
    assert member.post(f"{V1}/jobs/batch", body, format="json").status_code == 201
    assert Job.objects.filter(snapshot=snapshot_id).count() == 2


def test_the_agent_of_a_placement_gets_what_it_runs_and_nothing_else(member, client):
    snapshot_id = uploaded(member)
    job = Job.objects.get(pk=submit(member, snapshot=snapshot_id).json()["id"])
    placement = builders.placement(attempt=builders.attempt(job=job))
    url, token = f"{V1}/placements/{placement.pk}/code", str(placement.attempt.token)

    def ask(token, **more):
        return client.get(url, headers={"Authorization": f"Placement {token}"}, **more)

    said = ask(token).json()
    assert said["digest"] == CodeSnapshot.objects.get().digest
    assert [row[0] for row in said["files"]] == ["conf/a.yaml", "latest", "train.py"]
    for wrong in ("", "x", job.pk, placement.pk):
        assert ask(wrong).status_code == 404

    def fetch(*blobs, token=token):
        headers = {"Authorization": f"Placement {token}"}
        return client.post(url, json.dumps({"blobs": blobs}), content_type="application/json", headers=headers)

    body = b"".join(fetch(hash_of(TRAIN), hash_of(CONFIG)).streaming_content)
    index, _, contents = body.partition(b"\n")
    assert json.loads(index) == [[hash_of(TRAIN), len(TRAIN)], [hash_of(CONFIG), len(CONFIG)]]
    assert contents == TRAIN + CONFIG
    assert fetch(hash_of(b"other")).status_code == 404
    assert fetch("x").status_code == 400
    assert fetch(hash_of(TRAIN), token="x").status_code == 404
