"""The few questions that the demonstration asks over REST, patient with a platform that is being restarted."""

import time
from typing import Any

import httpx

PATIENCE_SECONDS = 60.0
SERVER_ERROR = 500


class RestError(Exception):
    """A refusal, or no answer for a minute; says which."""


class Rest:
    """The platform's API with a token."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=10)

    def submit(self, jobs: list[dict[str, Any]]) -> None:
        """All of them or none. Their submission keys make it safe to ask again when the answer was lost."""
        self._ask("POST", "/jobs/batch", json={"jobs": jobs})

    def jobs(self, label: str) -> list[dict[str, Any]]:
        return self._results("/jobs", {"label": f"demo={label}", "ordering": "id", "page_size": "200"})

    def nodes(self) -> list[dict[str, Any]]:
        return self._results("/nodes", {})

    def _results(self, path: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        return list(self._ask("GET", path, params=parameters)["results"])

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            problem = "no answer"
            try:
                answer = self._client.request(method, path, **options)
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return answer.json()
                problem = f"{answer.status_code} {answer.text[:500]}"
                if answer.status_code < SERVER_ERROR:
                    raise RestError(f"{method} {path} was refused: {problem}")
            if time.monotonic() > give_up_at:
                raise RestError(f"{method} {path} got no good answer for {PATIENCE_SECONDS:g} s: {problem}")
            time.sleep(0.5)
