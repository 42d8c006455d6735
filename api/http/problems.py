"""Every refusal and failure as an HTTP answer: an RFC 9457 problem document. Only this file knows which code is which."""

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.views import defaults
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from api.http.middleware import REQUEST_ID
from scheduling.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 5
ERRORS_SHOWN, ERRORS_IN_DETAIL = 100, 5
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
NO_FIELD = "body"  # what an error names that belongs to no single field
HINTS = {415: " Send JSON, as application/json."}
KINDS = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    411: "length-required",
    413: "too-large",
    415: "unsupported-media-type",
    416: "range-not-satisfiable",
    429: "throttled",
    500: "internal",
    503: "unavailable",
}


@dataclass(frozen=True)
class Problem:
    """One answer that says no: a status, a sentence, and the fields that are to blame."""

    status: int
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def answer(self, request: HttpRequest | Request) -> HttpResponse:
        document = {
            "type": f"urn:trainyard:problem:{KINDS.get(self.status, 'other')}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": request.path,
            "errors": [asdict(error) for error in self.errors],
            "request_id": request.META.get(REQUEST_ID, ""),
            **self.more,
        }
        body = json.dumps(document).encode()
        headers = {"Content-Length": str(len(body)), **self.headers}
        return HttpResponse(body, CONTENT_TYPE, self.status, headers=headers)


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """The answer to an exception that a view raised. Nothing that it wrote stays; a surprise is logged with its id."""
    set_rollback()
    request = context["request"]
    problem = _refusal(error) or _refusal_of_framework(error) or _refusal_of_body(error)
    problem = problem or _trouble_with_database(error)
    if problem is None:
        logger.error("Request %s failed.", request.META.get(REQUEST_ID, ""), exc_info=error)
        problem = _unexpected()
    return problem.answer(request)


def _refusal(error: Exception) -> Problem | None:
    match error:
        case InvalidError():
            return _invalid(error.errors)
        case NotFoundError():
            return Problem(404, str(error))
        case ForbiddenError():
            return Problem(403, str(error))
        case ConflictError():
            return Problem(409, str(error), more={"state": error.state} if error.state else {})
        case UnavailableError():
            return Problem(503, str(error), headers={"Retry-After": str(RETRY_SECONDS)})
    return None


def _refusal_of_framework(error: Exception) -> Problem | None:
    match error:
        case ValidationError():
            return _invalid(tuple(field_errors(error.detail)))
        case APIException():
            hint = HINTS.get(error.status_code, "")
            return Problem(error.status_code, f"{error.detail}{hint}", headers=_headers(error))
        case Http404():
            return Problem(404, "There is no such thing here.")
        case PermissionDenied():
            return Problem(403, "You may not do this.")
    return None


def _refusal_of_body(error: Exception) -> Problem | None:
    match error:
        case UnreadablePostError():
            return Problem(400, "The body broke off.", [FieldError(NO_FIELD, "It broke off.", "unreadable")])
        case RequestDataTooBig():
            return Problem(413, str(error), [FieldError(NO_FIELD, str(error), "too_large")])
    return None


def _trouble_with_database(error: Exception) -> Problem | None:
    match error:
        case OperationalError() | InterfaceError():
            logger.warning("The database did not answer: %s", error)
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return Problem(503, "The database does not answer at the moment. Ask again soon.", headers=headers)
        case IntegrityError():
            logger.warning("The database refused a write: %s", error)
            return Problem(409, "Somebody else changed the same thing at the same moment. Look again, then repeat.")
    return None


def _unexpected() -> Problem:
    return Problem(500, "Something went wrong on our side. Our log has the details under this request_id.")


def _invalid(errors: Sequence[FieldError]) -> Problem:
    shown = errors[:ERRORS_SHOWN]
    detail = "; ".join(f"{error.field}: {error.message}" for error in shown[:ERRORS_IN_DETAIL])
    if len(errors) > ERRORS_IN_DETAIL:
        detail += f"; and {len(errors) - ERRORS_IN_DETAIL} more"
    return Problem(400, detail, shown)


def _headers(error: APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """REST framework's nested errors as a flat list: {"jobs": {3: {"command": [..]}}} names jobs[3].command."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from field_errors(inner, _join(path, key))
    elif isinstance(detail, list):
        for inner in detail:
            yield from field_errors(inner, path)
    else:
        yield FieldError(path or NO_FIELD, str(detail), getattr(detail, "code", "invalid"))


def _join(path: str, key: Any) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    if key == api_settings.NON_FIELD_ERRORS_KEY:
        return path
    return f"{path}.{key}" if path else str(key)


# --- what never reaches a view of the API ---------------------------------------------------------------------------


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if for_people(request):
        return defaults.page_not_found(request, exception)
    return Problem(404, f"There is nothing at {request.path}.").answer(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if for_people(request):
        return defaults.bad_request(request, exception)
    return Problem(400, "The request is malformed.").answer(request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if for_people(request):
        return defaults.permission_denied(request, exception)
    return Problem(403, "You may not do this.").answer(request)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """A surprise, or a database that is away: then the time to come again is said, on a page of the admin too."""
    error = sys.exception()
    problem = (_trouble_with_database(error) if isinstance(error, Exception) else None) or _unexpected()
    if not for_people(request):
        return problem.answer(request)
    page = defaults.server_error(request)
    page.status_code = problem.status
    for name, value in problem.headers.items():
        page.headers[name] = value
    return page


def for_people(request: HttpRequest) -> bool:
    """Whether the caller wants a page: a browser says so, and who asks for an address of the API does not."""
    return not request.path_info.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


def refuse_in_one_shape(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Turn every refusal that has no words for a program, whoever made it, into a problem document."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.status_code < HTTPStatus.BAD_REQUEST or not is_page or for_people(request):
            return response
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        sentence = f"{HTTPStatus(response.status_code).description}.".lstrip(".") or "The request was refused."
        return Problem(response.status_code, sentence, headers=kept).answer(request)

    return middleware
