"""What every request goes through before an address is looked up."""

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from telemetry.subject import about

REQUEST_ID = "TRAINYARD_REQUEST_ID"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def name_requests(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give each request an id (the caller's own, when it is a sane one) that its answer and our log both carry."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request.META[REQUEST_ID] = given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
        with about(request_id=request.META[REQUEST_ID], traceparent=request.headers.get("traceparent", "")):
            response = get_response(request)
        response.headers["X-Request-ID"] = request.META[REQUEST_ID]
        return response

    return middleware


def forgive_slashes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let every address of the API answer with and without a slash at its end, without a redirect that loses a body."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/api/"):
            request.path_info = request.path_info.rstrip("/")
            request.path = request.path.rstrip("/")
        return get_response(request)

    return middleware
