"""From a request over the plan to the claim, everything says by whose request it is."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from executors.run import state_files
from jobs.attempts import claims
from jobs.messages import publishing
from jobs.models import Job, Placement
from jobs.planning.cycle import run_cycle
from jobs.state.outcome import PlacementRef
from scheduler_site import task_logs
from telemetry import subject
from telemetry.origin import Origin
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
MINE = "me-1"


@pytest.fixture
def sent(monkeypatch):
    messages: list[dict[str, object]] = []
    monkeypatch.setattr(publishing, "_publish", messages.extend)
    return messages


@pytest.fixture
def submitted(sent, django_capture_on_commit_callbacks):
    client = client_of(builders.member(project=builders.project(slug="vision")))
    body = {"project": "vision", "command": ["true"]}
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(f"{V1}/jobs", body, headers={"X-Request-ID": MINE})
    assert (answer.status_code, answer["X-Request-ID"]) == (201, MINE)
    return answer.json()["id"]


def test_a_job_and_the_cycle_that_it_asks_for_know_the_request(submitted, sent):
    assert Job.objects.get(pk=submitted).request_id == MINE
    assert [message["headers"] for message in sent] == [{subject.REQUEST_HEADER: MINE}]


def test_whoever_plans_it_tells_its_agent_whose_request_it_was_and_so_says_its_claim(
    submitted, sent, caplog, tmp_path, django_capture_on_commit_callbacks
):
    node = builders.node()
    sent.clear()
    with django_capture_on_commit_callbacks(execute=True), subject.about(request_id="somebody-elses"):
        run_cycle()
    [bell] = sent
    assert bell["headers"] == {subject.REQUEST_HEADER: MINE}
    told = [(line.job, line.attempt, line.node, line.request_id) for line in caplog.records if hasattr(line, "job")]
    assert told[-1] == (submitted, 1, node.name, MINE)

    row = Placement.objects.select_related("attempt").get()
    [spec] = claims.claim([PlacementRef(row.pk, str(row.attempt.token))], node_id=node.pk)
    assert (spec.origin, spec.ids["job"]) == (Origin(MINE), submitted)
    # The next agent finds it, and one of an earlier release, which knows no word of it, finds what it knows.
    state_files.write_claim(tmp_path, spec)
    assert state_files.read_claim(tmp_path) == (spec, False)
    assert "origin" not in json.loads((tmp_path / state_files.CLAIM).read_text())["claimed"]


@pytest.mark.parametrize("nonsense", ["a b", "x" * 65, "\u00e9", ""])
def test_an_id_that_is_none_is_replaced(nonsense):
    answer = client_of().get("/healthz", headers={"X-Request-ID": nonsense.encode().decode("latin1")})
    assert answer["X-Request-ID"] != nonsense
    assert len(answer["X-Request-ID"]) == 32


def test_a_task_is_about_the_request_of_its_message_until_it_ends():
    task = SimpleNamespace(request=SimpleNamespace(**{subject.REQUEST_HEADER: MINE}))
    task_logs._begin(task_id="t", task=task)
    assert subject.request_id() == MINE
    task_logs._end(task_id="t")
    assert subject.request_id() == ""


def test_a_message_that_comes_twice_at_once_leaves_no_thread_at_work_on_it():
    task = SimpleNamespace(request=SimpleNamespace(**{subject.REQUEST_HEADER: "mine-1"}))
    both = threading.Barrier(2, timeout=20)

    def handled() -> tuple[str, str]:
        task_logs._begin(task_id="t", task=task)
        both.wait()
        during = subject.request_id()
        task_logs._end(task_id="t")
        return during, subject.request_id()

    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(handled) for _ in range(2)]
        assert [one.result(20) for one in done] == [("mine-1", "")] * 2
