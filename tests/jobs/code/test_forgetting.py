"""Code is forgotten once nobody needs it, and not sooner."""

import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.code import blobs, forgetting, manifest, snapshots
from jobs.models import CodeBlob, CodePack, CodeSnapshot
from jobs.state import alerts
from tests import builders
from workers.runtime.code_files import CodeFile

pytestmark = pytest.mark.django_db
OLD = timedelta(days=15)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    return tmp_path / "code"


@pytest.fixture
def project():
    return builders.project()


def uploaded(project, *contents, whole=True):
    files = [CodeFile(f"f{n}", len(one), parts=(hashlib.sha256(one).hexdigest(),)) for n, one in enumerate(contents)]
    user = builders.member(project=project)
    snapshot, *_ = snapshots.create(project=project, user=user, files=files, origin=snapshots.GitOrigin())
    missing = set(snapshots.missing(snapshot, manifest.blobs(files)))
    fresh = [one for one in contents if hashlib.sha256(one).hexdigest() in missing]
    if fresh:
        index = [[hashlib.sha256(one).hexdigest(), len(one)] for one in fresh]
        blobs.store(snapshot, manifest.blobs(files), io.BytesIO(json.dumps(index).encode() + b"\n" + b"".join(fresh)))
    return snapshots.complete(snapshot) if whole else snapshot


def age(**only):
    moment = timezone.now() - OLD
    CodeSnapshot.objects.filter(**only).update(used_at=moment)
    CodeBlob.objects.update(used_at=moment)
    CodePack.objects.update(created_at=moment)


def objects(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_no_job_names_goes_after_some_days_with_its_objects(project, folder):
    uploaded(project, b"one")
    assert forgetting.prune() == 0
    assert len(objects(folder)) == 1
    age()
    assert forgetting.prune() == 1
    assert (CodeBlob.objects.count(), CodePack.objects.count(), objects(folder)) == (0, 0, [])


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_what_a_job_names_stays_however_old(project, folder, state):
    snapshot = uploaded(project, b"one")
    over: dict[str, Any] = {"finished_at": timezone.now()} if state == "completed" else {}
    builders.job(project=project, snapshot=snapshot, state=state, **over)
    age()
    assert forgetting.prune() == 0
    assert (CodeBlob.objects.count(), len(objects(folder))) == (1, 1)


def test_what_two_share_stays_while_one_needs_it(project, folder):
    gone, kept = uploaded(project, b"shared", b"own"), uploaded(project, b"shared", b"other")
    builders.job(project=project, snapshot=kept)
    age()
    assert forgetting.prune() == 1
    assert not CodeSnapshot.objects.filter(pk=gone.pk).exists()
    left = {hashlib.sha256(one).hexdigest() for one in (b"shared", b"other")}
    assert set(CodeBlob.objects.values_list("sha256", flat=True)) == left


def test_an_upload_that_goes_on_keeps_what_is_there_of_it(project):
    half = uploaded(project, b"one", whole=False)
    age()
    uploaded(project, b"one", b"two", whole=False)  # asks for it again
    assert forgetting.prune() == 1
    assert not CodeSnapshot.objects.filter(pk=half.pk).exists()
    assert CodeBlob.objects.filter(sha256=hashlib.sha256(b"one").hexdigest()).exists()


def test_the_objects_of_a_deleted_project_go(project, folder):
    uploaded(project, b"one")
    project.delete()
    forgetting.prune()
    assert (CodePack.objects.count(), objects(folder)) == (0, [])


def test_a_storage_that_is_away_costs_an_alert_and_is_asked_again(project, folder, monkeypatch):
    uploaded(project, b"one")
    age()
    with monkeypatch.context() as away:

        def fail(*_):
            raise OSError("away")

        away.setattr(type(blobs.storage()), "delete", fail)
        forgetting.prune()
    assert any("Old code could not be deleted" in one for one in alerts.active())
    forgetting.prune()
    assert objects(folder) == []
