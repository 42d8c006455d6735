"""What a job has left, listed and fetched: whole, resumed, and never outside of the folder."""

import json
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from knox.models import AuthToken

from cli.commands.results import outputs as command
from jobs.models import Job, KeptOutputs
from tests import builders
from tests.api.v1.test_outputs import Agent, hash_of
from tests.cli.yard import Answer

CONTENT = b"0123456789" * 1000


def file(path, content=CONTENT, **more):
    known = {"kind": "output", "path": path, "size": len(content), "sha256": hash_of(content), "executable": False}
    return {
        **known,
        "link": "",
        "state": "kept",
        "message": "",
        "url": f"/api/v1/jobs/17/outputs/{path}?attempt=1",
        **more,
    }


def answer(*files, **more):
    known = {"job": 17, "attempt": 1, "state": "kept", "keep": False, "count": len(files), "size": 0}
    return {**known, "left_out": 0, "left_out_bytes": 0, "message": "", "files": files, "next": None, **more}


def asked_for(yard, path):
    return [one for one in yard.asked if urlsplit(one.path).path.endswith(path)]


def test_a_table_says_what_there_is_and_what_was_left_out(trainyard, connected):
    files = [
        file("model\n.pt"),
        file("latest", b"", state="link", link="model.pt"),
        file("pipe", b"", state="left_out", message="It is no file."),
    ]
    connected.answers("GET", "jobs/17/outputs", answer(*files, left_out=3, left_out_bytes=2048, keep=True))

    shown = trainyard("outputs", 17)

    assert [line.split()[0] for line in shown.out.splitlines()] == ["PATH", "model", "latest", "pipe"]
    assert "link to model.pt" in shown.out
    assert "left out: It is no file." in shown.out
    assert "3 files with 2 KB were left out" in shown.err
    assert "kept as long as job 17" in shown.err


@pytest.mark.parametrize("state", ["none", "coming", "lost", "forgotten"])
def test_why_there_is_nothing_is_said(trainyard, connected, state):
    connected.answers("GET", "jobs/17/outputs", answer(state=state))
    shown = trainyard("outputs", 17)
    assert (shown.code, shown.out) == (0, "")
    assert "job 17" in shown.err


def fetched(trainyard, connected, folder, *files, **more):
    connected.answers("GET", "jobs/17/outputs", answer(*files, **more))
    return trainyard("outputs", 17, "--to", folder)


def test_a_file_that_broke_off_goes_on_where_it_stopped(trainyard, connected, tmp_path):
    half = len(CONTENT) // 2
    headers = {"Content-Type": "application/octet-stream"}
    connected.says(
        "GET",
        "jobs/17/outputs/a/b",
        Answer(headers=headers | {"Content-Length": str(len(CONTENT))}, pieces=[CONTENT[:half]]),
    )
    connected.says("GET", "jobs/17/outputs/a/b", Answer(206, CONTENT[half:], headers))

    shown = fetched(trainyard, connected, tmp_path / "to", file("a/b"))

    assert shown.code == 0, shown.err
    assert (tmp_path / "to" / "a" / "b").read_bytes() == CONTENT
    first, second = asked_for(connected, "outputs/a/b")
    assert "Range" not in first.headers
    assert (second.headers["Range"], second.headers["If-Range"]) == (f"bytes={half}-", f'"{hash_of(CONTENT)}"')
    assert [path.name for path in (tmp_path / "to" / "a").iterdir()] == ["b"]


def test_what_is_there_already_does_not_travel_again(trainyard, connected, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    shown = fetched(trainyard, connected, tmp_path, file("a"))
    assert "1 were there already" in shown.out
    assert not asked_for(connected, "outputs/a")


def test_what_arrives_otherwise_than_its_hash_says_is_not_kept(trainyard, connected, tmp_path, monkeypatch):
    connected.says("GET", "jobs/17/outputs/a", Answer(200, CONTENT[::-1], {"Content-Type": "application/octet-stream"}))
    shown = fetched(trainyard, connected, tmp_path, file("a"))
    assert shown.code == 1
    assert "does not arrive as its hash says" in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/etc/a", "a//b", ".", "a/./b"])
def test_a_path_that_climbs_is_refused(trainyard, connected, tmp_path, path):
    shown = fetched(trainyard, connected, tmp_path / "to", file(path))
    assert shown.code == 1
    assert "nothing is written there" in shown.err
    assert not asked_for(connected, path)


def test_a_link_is_not_followed(trainyard, connected, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "to" / "way").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "to" / "file").symlink_to(tmp_path / "elsewhere" / "target")
    connected.says("GET", "jobs/17/outputs/file", Answer(200, CONTENT, {"Content-Type": "application/octet-stream"}))

    shown = fetched(trainyard, connected, tmp_path / "to", file("file"), file("way/a"))

    assert shown.code == 1
    assert "is a link" in shown.err
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (tmp_path / "to" / "file").read_bytes() == CONTENT  # in the place of the link


def test_while_some_are_still_to_come_that_is_no_success(trainyard, connected, tmp_path):
    shown = fetched(trainyard, connected, tmp_path, state="coming")
    assert shown.code == 1
    assert "--wait" in shown.err


def test_what_nobody_has_is_refused_by_name(trainyard, connected, tmp_path):
    connected.answers("GET", "jobs/17/outputs", answer())
    shown = trainyard("outputs", 17, "modle.pt", "--to", tmp_path)
    assert shown.code == 1
    assert "'modle.pt'" in shown.err


def test_waiting_ends_once_all_is_kept(trainyard, connected, monkeypatch):
    monkeypatch.setattr(command, "LOOK_SECONDS", 0)
    for finished, state in ((None, "none"), ("2026-01-01T00:00:00Z", "coming"), ("2026-01-01T00:00:00Z", "kept")):
        connected.answers("GET", "jobs/17", {"id": 17, "state": "running", "finished_at": finished})
        connected.answers("GET", "jobs/17/outputs", answer(file("a"), state=state))
    shown = trainyard("outputs", 17, "--wait")
    assert shown.out.splitlines()[1].split()[0] == "a"
    assert "waiting: job 17 is running" in shown.err


def test_keeping_is_asked_for(trainyard, connected):
    connected.answers("PATCH", "jobs/17/outputs", {"job": 17, "keep": True})
    connected.answers("GET", "jobs/17/outputs", answer(keep=True))
    assert trainyard("outputs", 17, "--keep").code == 0
    assert [one.body for one in connected.asked if one.method == "PATCH"] == [{"keep": True}]


@pytest.mark.django_db(transaction=True)
def test_against_the_real_site(trainyard, live_server, settings, tmp_path, monkeypatch):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    job = builders.job(state="queued")
    agent = Agent(job)
    agent.leave("line\nend ü", executable=True)
    agent.leave("deep/model.pt", CONTENT)
    agent.leave("step-1", CONTENT, kind="checkpoint")
    agent.complete()
    Job.objects.filter(pk=job.pk).update(state="completed", finished_at=timezone.now())
    monkeypatch.setenv("TRAINYARD_URL", live_server.url)
    monkeypatch.setenv("TRAINYARD_TOKEN", AuthToken.objects.create(builders.member(project=job.project))[1])

    listed = json.loads(trainyard("outputs", job.pk, "--json", "--wait").out)
    assert {one["path"] for one in listed["files"]} == {"line\nend ü", "deep/model.pt", "step-1"}
    assert trainyard("outputs", job.pk, "--to", tmp_path / "to", "--keep").code == 0
    assert (tmp_path / "to" / "deep" / "model.pt").read_bytes() == CONTENT
    assert (tmp_path / "to" / "line\nend ü").stat().st_mode & 0o100
    assert not (tmp_path / "to" / "step-1").exists()
    assert trainyard("outputs", job.pk, "deep", "--to", tmp_path / "other").out.startswith("1 files")
    assert Job.objects.get(pk=job.pk).keep_outputs
    assert KeptOutputs.objects.get().state == "kept"
