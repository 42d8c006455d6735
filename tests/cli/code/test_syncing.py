"""`--sync` against the real site: uploaded once, gone on with, and said in words where it can't be."""

import json

import pytest
from knox.models import AuthToken

from cli.client.requests import Server
from jobs.code import blobs
from jobs.models import CodeSnapshot, Job
from tests import builders
from trainyard.code import hashing, sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(live_server, monkeypatch, settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    builders.queue(name="default")
    ada = builders.user(username="ada")
    builders.project(slug="vision", members=[ada])
    builders.node()
    monkeypatch.setenv("TRAINYARD_URL", live_server.url)
    monkeypatch.setenv("TRAINYARD_TOKEN", AuthToken.objects.create(ada)[1])
    monkeypatch.setenv("TRAINYARD_PROJECT", "vision")


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "src").mkdir()
    (folder / "train.py").write_text("print('hello')\n")
    (folder / "src" / "model.py").write_text("model = 1\n")
    return folder


@pytest.fixture
def sent(monkeypatch):
    found, send = [], Server._send

    def noted(self, method, path, **more):
        found.append((method, path))
        return send(self, method, path, **more)

    monkeypatch.setattr(Server, "_send", noted)
    return found


def submit(trainyard, *words):
    outcome = trainyard("submit", "--json", *words)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_the_current_folder_comes_along_once(trainyard, work, sent):
    job = submit(trainyard, "--sync", "--", "python", "train.py")
    assert (job["working_dir"], job["code"]["dirty"]) == ("", None)
    assert CodeSnapshot.objects.get().files == 2
    assert ("PUT", f"snapshots/{job['code']['snapshot']}/blobs") in sent

    sent.clear()
    again = submit(trainyard, "--sync", ".", "--", "python", "train.py")
    assert again["code"] == job["code"]
    assert [path for _, path in sent] == ["snapshots/limits", "snapshots", "jobs"]

    (work / "train.py").write_text("print('other')\n")
    assert submit(trainyard, "--sync", "--", "python", "train.py")["code"]["snapshot"] != job["code"]["snapshot"]


def test_a_command_starts_where_it_was_typed(trainyard, work, monkeypatch):
    monkeypatch.chdir(work / "src")
    assert submit(trainyard, "--sync", "..", "--", "python", "model.py")["working_dir"] == "src"
    assert submit(trainyard, "--sync", str(work), "-C", str(work), "--", "true")["working_dir"] == ""
    assert submit(trainyard, "--sync=.", "--", "true")["working_dir"] == ""
    monkeypatch.chdir(work.parent)
    assert submit(trainyard, "--sync", str(work), "--", "true")["working_dir"] == ""
    outcome = trainyard("submit", "--sync", str(work), "-C", "/", "--", "true")
    assert (outcome.code, "is not inside" in outcome.err) == (2, True)


def test_without_it_nothing_changes(trainyard, work):
    job = submit(trainyard, "--", "python", "train.py")
    assert (job["code"], job["working_dir"]) == (None, str(work))


def test_what_cannot_come_along_is_said_in_words(trainyard, work):
    (work / "out").symlink_to("/etc")
    outcome = trainyard("submit", "--sync", "--", "true")
    assert (outcome.code, "'out' is a link that leads out" in outcome.err) == (2, True)
    outcome = trainyard("submit", "--sync", "python", "train.py")
    assert (outcome.code, "python is no folder" in outcome.err) == (2, True)
    assert not Job.objects.exists()


def test_an_interrupted_upload_goes_on(trainyard, work, monkeypatch, sent, settings):
    settings.CODE_MB = 100
    (work / "big.bin").write_bytes(b"0" * (9 * 2**20) + b"1")
    put, calls = Server.put, []

    def breaking(self, path, content):
        calls.append(len(content))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return put(self, path, content)

    monkeypatch.setattr(Server, "put", breaking)
    assert trainyard("submit", "--sync", "--", "true").code != 0
    before = sum(calls[:1])
    submit(trainyard, "--sync", "--", "true")
    assert before > 2**20
    assert sum(calls[2:]) + before < 9 * 2**20 + 2**19


def test_of_tiny_files_a_body_names_no_more_than_the_server_reads():
    sizes = {f"{number:064x}": 500 for number in range(15_000)}
    lines = [json.dumps([[one, 8 * 2**20] for one in pack]) for pack in sync._packs(sizes, 8 * 2**20)]
    assert max(map(len, lines)) < blobs.FIRST_LINE_BYTES
    assert sum(map(len, map(json.loads, lines))) == len(sizes)


def test_a_file_that_changes_between_hash_and_upload_is_read_again(trainyard, work, monkeypatch):
    monkeypatch.setattr(hashing, "KEPT_BYTES", 0)
    post = Server.post
    changed: list[bool] = []

    def meddling(self, path, body=None):
        answer = post(self, path, body)
        if path == "snapshots" and not changed:
            changed.append(True)
            (work / "train.py").write_text("print('meddled')\n")
        return answer

    monkeypatch.setattr(Server, "post", meddling)
    job = submit(trainyard, "--sync", "--", "true")
    assert CodeSnapshot.objects.get(pk=job["code"]["snapshot"]).complete_at
    assert CodeSnapshot.objects.count() == 2


def test_a_page_shows_what_a_job_brought_along(trainyard, work):
    job = submit(trainyard, "--sync", "--", "true")
    CodeSnapshot.objects.update(commit="1a2b3c4d5e6f7a8b", branch="main", dirty=True)
    page = trainyard("show", job["id"]).out
    assert f"snapshot {job['code']['snapshot']}, commit 1a2b3c4d5e6f (main), with changes" in " ".join(page.split())


def test_the_jobs_of_a_file_share_one(trainyard, work):
    (work / "jobs.toml").write_text('[[jobs]]\ncommand = ["a"]\n[[jobs]]\ncommand = ["b"]\nworking_dir = "src"\n')
    outcome = trainyard("batch", "--sync", "--", "jobs.toml")
    assert outcome.code == 0, outcome.err
    assert sorted(Job.objects.values_list("snapshot", "working_dir")) == [
        (CodeSnapshot.objects.get().pk, ""),
        (CodeSnapshot.objects.get().pk, "src"),
    ]
