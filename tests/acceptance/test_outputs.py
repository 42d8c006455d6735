"""What a job leaves comes back, and attempts on a node that shares no disk with the first begin with it."""

import os

import pytest

from jobs.control.actions import requeue
from jobs.models import Job, KeptOutputs
from quotas.models import Project
from tests import builders
from tests.acceptance.platform import Platform, output, wait_for_state
from tests.rest import V1, client_of
from tests.waiting import wait_for
from workers.models import Node

TRAIN = """
cat "$TRAINYARD_CHECKPOINT_DIR"/step 2>/dev/null || echo anew
echo saved > "$TRAINYARD_CHECKPOINT_DIR"/step
mkdir "$TRAINYARD_OUTPUT_DIR"/deep
echo weights by $TRAINYARD_ATTEMPT > "$TRAINYARD_OUTPUT_DIR"/deep/model
"""
EVALUATE = 'cat "$TRAINYARD_INPUT_DIR"/model; cat "$TRAINYARD_INPUT_DIR"/all/deep/model; echo own >> "$TRAINYARD_INPUT_DIR"/model'


@pytest.fixture
def client(platform: Platform, live_server, settings, tmp_path):
    options = {"location": str(tmp_path / "storage")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    platform.environment["TRAINYARD_CODE_URL"] = live_server.url
    project = Project.objects.filter(slug="acceptance").first() or builders.project(slug="acceptance")
    return client_of(builders.member(project=project))


def submit(client, script, **more):
    body = {"project": "acceptance", "command": ["sh", "-c", script], **more}
    answer = client.post(f"{V1}/jobs", body, format="json")
    assert answer.status_code == 201, answer.json()
    return Job.objects.get(pk=answer.json()["id"])


def start_node(platform, name, **options):
    """On a machine that has other things to do, too."""
    platform.start_node(name, wait=False, **options)
    wait_for(Node.objects.filter(name=name, state="up").exists, 120, lambda: f"node {name}; {platform.log(name)}")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "run_as", ["agent", pytest.param("auto", marks=pytest.mark.skipif(os.geteuid() != 0, reason="walls need root"))]
)
def test_results_come_back_and_others_begin_with_them(platform: Platform, client, tmp_path, run_as):
    platform.start_control()
    start_node(platform, "n1", TRAINYARD_HOME=str(tmp_path / "one"), TRAINYARD_RUN_AS=run_as)
    job = submit(client, TRAIN)
    wait_for_state(job, "completed", timeout=90, platform=platform)
    assert output(job) == "anew\n"
    kept = KeptOutputs.objects.filter(attempt__job=job, state="kept")
    wait_for(kept.exists, 60, lambda: f"its outputs; {platform.log('n1')}")
    platform.stop("n1")

    start_node(platform, "n2", TRAINYARD_HOME=str(tmp_path / "two"), TRAINYARD_RUN_AS=run_as)
    requeue(job_id=job.pk, actor="a test")
    wanted = [{"job": job.pk, "path": "deep/model"}, {"job": job.pk, "to": "all"}]
    evaluation = submit(client, EVALUATE, inputs=wanted)
    wait_for_state(evaluation, "completed", timeout=120, platform=platform)

    assert output(job) == "anew\nsaved\n"  # of both attempts
    assert output(evaluation) == "weights by 2\nweights by 2\n"
    wait_for(lambda: kept.count() == 2, 60, lambda: f"its outputs; {platform.log('n2')}")
    listed = client.get(f"{V1}/jobs/{job.pk}/outputs").json()
    assert [(file["kind"], file["path"]) for file in listed["files"]] == [
        ("output", "deep/model"),
        ("checkpoint", "step"),
    ]
    assert b"".join(client.get(listed["files"][0]["url"]).streaming_content) == b"weights by 2\n"
