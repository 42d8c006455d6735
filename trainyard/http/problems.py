"""The server's refusals (RFC 9457 problem documents) as sentences for a person."""

from collections.abc import Mapping
from typing import Any

import httpx

from trainyard.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OutOfReachError,
    RefusedError,
    TrainyardError,
    UnauthorizedError,
)

UNAUTHORISED = 401
KINDS: Mapping[int, type[RefusedError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}
NO_FIELD = "body"  # what the server names when no field is to blame


def raise_for(response: httpx.Response) -> None:
    """Raise what an answer other than 2xx means; return for 2xx."""
    if response.is_success:
        return
    problem = _problem(response)
    said = problem.get("detail") or problem.get("title")
    if response.is_redirect:
        raise OutOfReachError(f"{response.url.host} sends us on to {response.headers['Location']}: use that address.")
    if response.is_server_error:
        raise OutOfReachError(f"the server cannot answer now: {said or _status(response)}.".replace("..", "."))
    if response.status_code == UNAUTHORISED and "Authorization" in response.request.headers:
        raise UnauthorizedError(f"{said or 'the token was refused.'} Log in with `trainyard login URL`.")
    kind = KINDS.get(response.status_code, RefusedError)
    raise _refusal(problem, kind) or kind(said or f"{response.url} answered {_status(response)}.")


def _refusal(problem: dict[str, Any], kind: type[RefusedError]) -> TrainyardError | None:
    errors = problem.get("errors")
    if not isinstance(errors, list):
        return None
    fields = [(_field(error), str(error.get("message"))) for error in errors if isinstance(error, dict)]
    return kind(fields=fields) if fields else None


def _field(error: dict[str, Any]) -> str:
    field = str(error.get("field") or "")
    return "" if field == NO_FIELD else field


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()
