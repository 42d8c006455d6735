"""The few questions that the demonstration asks over REST."""

from typing import Any
from urllib.parse import urlencode

from local_stack.rest import Answer, Rest

PATIENCE_SECONDS = 60.0


class RefusedError(Exception):
    """The platform said no; says why."""


class DemoRest:
    """The platform's API with a token, patient with a platform that is being restarted. Raises NoAnswerError after a minute."""

    def __init__(self, port: int, token: str) -> None:
        self._rest = Rest(port, token, PATIENCE_SECONDS)

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
