"""The bodies of requests: each is read as it was sent, or refused. None that cannot be read passes for an empty one."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from api.http.chunked_bodies import FAULT, NO_LENGTH, too_large
from api.http.problems import NO_FIELD, Problem
from scheduling.errors import FieldError

ENCODED = "Send the body as it is: a Content-Encoding is not read here."


def refuse_unreadable_bodies(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer a request whose body nobody could read before anything is done about it."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        fault = _fault(request)
        if fault is None:
            return get_response(request)
        status, sentence = fault
        return Problem(status, sentence, [FieldError(NO_FIELD, sentence, "unreadable")]).answer(request)

    return middleware


def _fault(request: HttpRequest) -> tuple[int, str] | None:
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        return 411, NO_LENGTH
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        return 415, ENCODED
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and int(length[:18]) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return 413, too_large()
    fault: tuple[int, str] | None = request.META.get(FAULT)
    return fault
