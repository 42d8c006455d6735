"""What killed attempts leave open in MLflow is ended as they were."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from jobs.recovery import mlflow_runs
from tests import builders

pytestmark = pytest.mark.django_db


class Server:
    """Speaks as much of MLflow's REST interface as is spoken to it, with one run a page."""

    def __init__(self):
        self.runs = {}

    def answer(self, path, body):
        return getattr(self, path.rpartition("mlflow/")[2].replace("/", "_").replace("-", "_"))(body)

    def experiments_search(self, _):
        return {"experiments": [{"experiment_id": "0"}]}

    def runs_search(self, body):
        assert body["filter"].startswith("attributes.status = 'RUNNING'")
        running = [run for run in self.runs.values() if run["info"]["status"] == "RUNNING"]
        at = int(body.get("page_token", 0))
        token = {"next_page_token": str(at + 1)} if at + 1 < len(running) else {}
        return {"runs": running[at : at + 1], **token}

    def runs_set_tag(self, body):
        self.runs[body["run_id"]]["data"]["tags"].append({"key": body["key"], "value": body["value"]})
        return {}

    def runs_update(self, body):
        self.runs[body["run_id"]]["info"].update(status=body["status"], end_time=body["end_time"])
        return {}

    def add(self, name, attempt, *, began_at=None, **tags):
        said = {"job_id": attempt.job_id, "attempt": attempt.number, "project": attempt.job.project.slug} | tags
        began_at = began_at or attempt.created_at
        self.runs[name] = {
            "info": {"run_id": name, "status": "RUNNING", "start_time": int(began_at.timestamp() * 1000)},
            "data": {"tags": [{"key": f"trainyard.{key}", "value": str(value)} for key, value in said.items()]},
        }

    def status(self, name):
        return self.runs[name]["info"]["status"]


@pytest.fixture
def mlflow(settings) -> Iterator[Server]:
    known = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(known.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.MLFLOW_TRACKING_URI = f"http://127.0.0.1:{server.server_port}"
        yield known
        server.shutdown()


def ended(reason, **fields):
    return builders.attempt(ended_at=timezone.now(), end_reason=reason, **fields)


@pytest.mark.parametrize(
    ("reason", "status"),
    [("exit_code", "FAILED"), ("node_lost", "KILLED"), ("paused", "KILLED"), ("completed", "FINISHED")],
)
def test_the_run_of_an_attempt_that_has_ended_ends_as_it_did(mlflow, reason, status):
    attempt = ended(reason)
    mlflow.add("run", attempt)
    assert mlflow_runs.close_runs() == 1
    assert mlflow.status("run") == status
    assert mlflow.runs["run"]["info"]["end_time"] == int(attempt.ended_at.timestamp() * 1000)


def test_every_page_is_looked_through_and_what_runs_goes_on(mlflow):
    mlflow.add("live", builders.attempt())
    mlflow.add("old", ended("exit_code"))
    mlflow_runs.close_runs()
    assert (mlflow.status("live"), mlflow.status("old")) == ("RUNNING", "FAILED")


def test_a_run_of_another_platform_with_jobs_of_the_same_numbers_is_left_alone(mlflow):
    attempt = ended("exit_code")
    mlflow.add("elsewhere", attempt, project="of-somebody-else")
    mlflow.add("later", attempt, began_at=attempt.ended_at + timedelta(hours=1))
    mlflow.add("odd", attempt, job_id="by hand")
    assert mlflow_runs.close_runs() == 0


def test_a_run_that_a_later_attempt_took_up_again_is_ended_with_the_job(mlflow):
    first = ended("node_lost", number=1)
    mlflow.add("run", first)
    mlflow_runs.close_runs()
    mlflow.runs["run"]["info"]["status"] = "RUNNING"
    second = builders.attempt(job=first.job, number=2)
    assert mlflow_runs.close_runs() == 0
    type(second).objects.update(ended_at=timezone.now(), end_reason="completed")
    assert mlflow_runs.close_runs() == 1
    assert mlflow.status("run") == "FINISHED"


@pytest.mark.parametrize("address", ["", "file:/tmp/runs", "http://127.0.0.1:9"])
def test_without_a_server_that_answers_nothing_happens(settings, address):
    settings.MLFLOW_TRACKING_URI = address
    assert mlflow_runs.close_runs() == 0
