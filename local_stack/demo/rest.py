"""The few questions that the demonstration asks over REST."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from local_stack.rest import Answer, Rest
from local_stack.servers.ports import LOOPBACK
from trainyard.client.results import settled
from trainyard.code.sync import sync
from trainyard.http.connection import Connection
from trainyard.http.requests import Server

PATIENCE_SECONDS = 60.0


class RefusedError(Exception):
    """The platform said no; says why."""


class DemoRest:
    """The platform's API with a token, patient with a platform that is being restarted. Raises NoAnswerError after a minute."""

    def __init__(self, port: int, token: str) -> None:
        self._rest = Rest(port, token, PATIENCE_SECONDS)
        self._connection = Connection(f"http://{LOOPBACK}:{port}", token, "the demonstration")

    def send_code(self, folder: Path, project: str) -> str:
        """Upload a folder as `trainyard submit --sync` does; the number of its snapshot. Raises TrainyardError."""
        with TemporaryDirectory() as cache, Server(self._connection) as server:  # a user's own cache stays as it is
            return str(sync(server, folder, project=project, environ={"XDG_CACHE_HOME": cache})["id"])

    def fetch_outputs(self, job: dict[str, Any], folder: Path, seconds: float) -> str:
        """Have what a job that is over has left in a folder, each file checked against its hash; whether it is `kept`.

        Its node may take so many seconds to bring it. Raises TrainyardError.
        """
        with Server(self._connection) as server:
            left = settled(server, job, timeout=seconds)
            left.download(folder)
        return left.state

    def submit(self, jobs: list[dict[str, Any]], workload: str) -> None:
        """All of them or none, as one workload. Their submission keys make it safe to ask again when the answer was lost."""
        _granted("POST /jobs/batch", self._rest.post("/jobs/batch", {"jobs": jobs, "workload": workload}))

    def jobs(self, workload: str) -> list[dict[str, Any]]:
        return self._results(f"/jobs?{urlencode({'workload': workload, 'ordering': 'id', 'page_size': 200})}")

    def workload(self, name: str) -> dict[str, Any]:
        """How it stands."""
        [found] = self._results(f"/workloads?{urlencode({'name': name})}")
        return found

    def nodes(self) -> list[dict[str, Any]]:
        return self._results("/nodes")

    def nodes_of_pool(self, pool: str) -> list[str]:
        """The names of those that take work now."""
        return [node["name"] for node in self.nodes() if node["labels"].get("pool") == pool and node["state"] == "up"]

    def _results(self, path: str) -> list[dict[str, Any]]:
        return list(_granted(f"GET {path}", self._rest.get(path)).body["results"])


def _granted(question: str, answer: Answer) -> Answer:
    if not answer.is_success:
        raise RefusedError(f"{question} was refused: {answer.status} {str(answer.body)[:500]}")
    return answer
