"""What jobs have left, over REST: listed, downloaded whole and in parts, kept, and seen by nobody else."""

import hashlib
import json
import tracemalloc

import pytest
from django.test import Client

from api.v1.outputs.ranges import NotSatisfiableError, Span, span_of
from jobs.code import blobs
from jobs.models import CodePack, JobEvent, KeptFile, KeptOutputs
from jobs.storage import objects
from tests import builders, s3
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
CONTENT = b"0123456789"


@pytest.fixture(autouse=True)
def code_folder(settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


def entry(path, content, kind="output", **more):
    parts = [hash_of(content)] if content else []
    return {"kind": kind, "path": path, "size": len(content), "sha256": hash_of(content), "parts": parts, **more}


class Agent:
    """What an agent says of one placement."""

    def __init__(self, job):
        self.placement = builders.placement(attempt=builders.attempt(job=job), node=builders.node())
        self.url = f"{V1}/placements/{self.placement.pk}/outputs"
        self.client = Client(headers={"authorization": f"Placement {self.placement.attempt.token}"})

    def say(self, *files, blobs=()):
        body = json.dumps({"files": files, "blobs": blobs})
        return self.client.post(self.url, body, content_type="application/json")

    def upload(self, *contents):
        index = json.dumps([[hash_of(one), len(one)] for one in contents]).encode()
        body = index + b"\n" + b"".join(contents)
        return self.client.put(f"{self.url}/blobs", body, content_type="application/octet-stream")

    def complete(self, **more):
        return self.client.post(f"{self.url}/complete", json.dumps(more), content_type="application/json")

    def leave(self, path, content=CONTENT, **more):
        assert self.upload(content).status_code == 200
        assert self.say(entry(path, content, **more)).json() == {"missing": []}


@pytest.fixture
def job():
    return builders.job(state="queued")


@pytest.fixture
def agent(job):
    return Agent(job)


@pytest.fixture
def viewer(job):
    return client_of(builders.member(project=job.project, role="viewer"))


def get(client, job, path="", **params):
    return client.get(f"{V1}/jobs/{job.pk}/outputs{path}", params.pop("query", {}), **params)


def test_files_are_listed_once_all_of_them_are_there(agent, job, viewer):
    assert get(viewer, job).json()["state"] == "none"
    assert agent.say(entry("model.pt", CONTENT)).json() == {"missing": [hash_of(CONTENT)]}
    assert not KeptFile.objects.exists()
    agent.leave("model.pt")
    assert get(viewer, job).json()["state"] == "coming"
    assert agent.complete(left_out=1, left_out_bytes=7, message="Why.").status_code == 204

    answer = get(viewer, job).json()
    assert (answer["state"], answer["attempt"], answer["count"], answer["size"]) == ("kept", 1, 1, 10)
    assert (answer["left_out"], answer["left_out_bytes"], answer["message"]) == (1, 7, "Why.")
    [file] = answer["files"]
    assert (file["path"], file["sha256"], file["state"]) == ("model.pt", hash_of(CONTENT), "kept")
    assert b"".join(viewer.get(file["url"]).streaming_content) == CONTENT


def test_long_lists_come_in_pieces_and_a_folder_by_its_name(agent, job, viewer):
    agent.upload(CONTENT)
    agent.say(*(entry(f"{folder}/{number}", CONTENT) for folder in "ab" for number in range(3)))
    first = get(viewer, job, query={"limit": 4}).json()
    rest = get(viewer, job, query={"limit": 4, "after": first["next"]}).json()
    assert [file["path"] for file in first["files"] + rest["files"]] == ["a/0", "a/1", "a/2", "b/0", "b/1", "b/2"]
    assert rest["next"] is None
    assert len(get(viewer, job, query={"prefix": "b"}).json()["files"]) == 3
    assert get(viewer, job, query={"prefx": "b"}).status_code == 400


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        (None, 200, CONTENT, None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=5-999", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=0-1,3-4", 200, CONTENT, None),
        ("lines=1-2", 200, CONTENT, None),
    ],
)
def test_ranges(agent, job, viewer, asked, status, body, said):
    agent.leave("model.pt")
    answer = get(viewer, job, "/model.pt", headers={"range": asked} if asked else {})
    assert (answer.status_code, answer.get("Content-Range"), answer["ETag"]) == (status, said, f'"{hash_of(CONTENT)}"')
    if status == 416:
        assert answer.json()["status"] == 416
    else:
        assert (b"".join(answer), answer["Content-Length"]) == (body, str(len(body)))


def test_what_one_has_already_is_not_sent_and_what_has_changed_is_sent_whole(agent, job, viewer):
    agent.leave("model.pt")
    etag = f'"{hash_of(CONTENT)}"'
    assert get(viewer, job, "/model.pt", headers={"if-none-match": etag}).status_code == 304
    assert get(viewer, job, "/model.pt", headers={"accept": "application/octet-stream"}).status_code == 200
    same = get(viewer, job, "/model.pt", headers={"range": "bytes=8-", "if-range": etag})
    other = get(viewer, job, "/model.pt", headers={"range": "bytes=8-", "if-range": '"other"'})
    assert (b"".join(same), b"".join(other)) == (b"89", CONTENT)


@pytest.mark.parametrize("name", ["line\nend", "a b/ü?#%.bin", 'quo"te', "..hidden/x"])
def test_any_name_can_be_asked_for_and_breaks_no_header(agent, job, viewer, name):
    agent.leave(name)
    [file] = get(viewer, job).json()["files"]
    answer = viewer.get(file["url"])
    assert b"".join(answer.streaming_content) == CONTENT
    assert answer["Content-Disposition"].startswith("attachment")
    assert "\n" not in answer["Content-Disposition"]


def test_others_find_nothing_and_viewers_change_nothing(agent, job, viewer):
    agent.leave("model.pt")
    other = client_of(builders.member(project=builders.project()))
    assert get(other, job).status_code == get(other, job, "/model.pt").status_code == 404
    assert get(client_of(), job).status_code == get(client_of(), job, "/model.pt").status_code == 401
    patch = {"keep": True}
    assert viewer.patch(f"{V1}/jobs/{job.pk}/outputs", patch, format="json").status_code == 403
    assert other.patch(f"{V1}/jobs/{job.pk}/outputs", patch, format="json").status_code == 404


def test_a_member_marks_them_to_be_kept(agent, job):
    member = client_of(builders.member(project=job.project))
    for keep in (True, True, False):
        answer = member.patch(f"{V1}/jobs/{job.pk}/outputs", {"keep": keep}, format="json")
        assert (answer.json()["keep"], get(member, job).json()["keep"]) == (keep, keep)
    kinds = JobEvent.objects.filter(kind__startswith="outputs").values_list("kind", flat=True)
    assert list(kinds) == ["outputs_kept", "outputs_not_kept"]
    assert member.patch(f"{V1}/jobs/{job.pk}/outputs", {}, format="json").status_code == 400


def test_nobody_brings_anything_without_the_token_or_once_all_is_said(agent, job):
    stranger = Client(headers={"authorization": "Placement 1234"})
    for client in (stranger, Client()):
        assert client.get(agent.url).status_code == 404
        assert client.put(f"{agent.url}/blobs", b"x", content_type="application/octet-stream").status_code == 404
    assert agent.client.get(agent.url).status_code == 200
    agent.complete()
    assert agent.say(entry("late", b"")).status_code == 404
    assert KeptOutputs.objects.get().state == "kept"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "../climbs"),
        ("path", "/etc/passwd"),
        ("path", "a/../../b"),
        ("path", "nul\0"),
        ("path", "\ud800"),
        ("path", 7),
        ("kind", "thing"),
        ("size", -1),
        ("size", "1"),
        ("parts", ["x"]),
        ("parts", "x"),
        ("sha256", None),
        ("link", "../../x"),
        ("link", 3),
        ("executable", 3),
        ("modified_ns", 2**70),
        ("left_out", "\0"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(agent, field, value):
    answer = agent.say({**entry("model.pt", b""), field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == f"files[0].{field}"


@pytest.mark.parametrize("body", ["[]", "7", '{"files": 7}', '{"files": [7]}', '{"blobs": 7}', '{"files": [{}]}'])
def test_nonsense_is_refused(agent, body):
    assert agent.client.post(agent.url, body, content_type="application/json").status_code == 400


def test_the_server_takes_no_more_than_its_limit_either(agent, settings):
    settings.OUTPUT_MB = 0.000005
    agent.upload(CONTENT)
    assert agent.say(entry("model.pt", CONTENT)).status_code == 400
    assert not KeptFile.objects.exists()


def test_of_a_gang_each_member_has_its_own(viewer):
    job = builders.job(state="queued", nodes=2)
    agent = Agent(job)
    agent.leave("model.pt")
    agent.leave("step", kind="checkpoint")
    member = client_of(builders.member(project=job.project))
    assert [file["path"] for file in get(member, job).json()["files"]] == ["rank-0/model.pt", "step"]


def test_a_large_file_takes_little_memory(agent, job, viewer, monkeypatch):
    large = bytes(8 * 2**20)
    assert agent.upload(large).status_code == 200
    said = entry("large", large) | {"size": 128 * len(large), "parts": [hash_of(large)] * 128}
    assert agent.say(said).json() == {"missing": []}
    tracemalloc.start()
    size = sum(len(piece) for piece in get(viewer, job, "/large").streaming_content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 2**30
    assert peak < 50 * 2**20


def test_what_the_storage_has_lost_is_said(agent, job, viewer, monkeypatch):
    agent.leave("model.pt")

    def fails(*_):
        raise OSError("away")

    monkeypatch.setattr(blobs, "read_range", fails)
    assert get(viewer, job, "/model.pt").status_code == 503
    monkeypatch.setattr(blobs, "read_range", objects.read_range)
    blobs.storage().delete(CodePack.objects.get().name)
    assert get(viewer, job, "/model.pt").status_code == 404


def test_in_s3_they_lie_and_are_read_as_in_a_folder(agent, job, viewer, settings):
    one, two = b"a" * (8 * 2**20), b"b" * 500
    said = entry("model.pt", one + two) | {"parts": [hash_of(one), hash_of(two)]}
    with s3.server() as url, s3.storage(url, settings, "code") as bucket:
        for part in (one, two):
            assert agent.upload(part).status_code == 200
        assert agent.say(said).json() == {"missing": []}
        agent.complete()
        sizes = sorted(each["Size"] for each in bucket.list_objects(Bucket="code")["Contents"])
        assert sizes == [len(two), len(one)]

        assert b"".join(get(viewer, job, "/model.pt")) == one + two
        some = get(viewer, job, "/model.pt", headers={"range": f"bytes={len(one) - 10}-{len(one) + 9}"})
        assert (some.status_code, b"".join(some)) == (206, one[:10] + two[:10])
        for each in bucket.list_objects(Bucket="code")["Contents"]:
            bucket.delete_object(Bucket="code", Key=each["Key"])
        assert get(viewer, job, "/model.pt").status_code == 404
    assert get(viewer, job, "/model.pt").status_code == 503  # nobody answers there


def test_a_range_that_runs_backwards_is_none():
    assert span_of("bytes=4-2", 10) is None
    assert span_of("bytes=-", 10) is None
    assert span_of("bytes=0-", 3) == Span(0, 3)
    with pytest.raises(NotSatisfiableError):
        span_of("bytes=-0", 10)
    with pytest.raises(NotSatisfiableError):
        span_of("bytes=0-", 0)
