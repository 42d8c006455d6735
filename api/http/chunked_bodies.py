"""Bodies that come in chunks, made into what Django reads: it takes a body without a Content-Length for none.

Below Django and loaded before its apps are: what is wrong is noted here, and `bodies.py` answers it.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.conf import settings

FAULT = "trainyard.body_fault"
NO_LENGTH = "This server cannot tell where a body in chunks ends. Send it with a Content-Length."
BROKEN = "The body broke off, or is not in chunks as its Transfer-Encoding says. Send it again."
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def too_large() -> str:
    return f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024**2} MB."


def with_known_length(application: Application) -> Application:
    """For Django, which takes a body without a Content-Length for none: one in chunks gets its length here."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.pop("HTTP_TRANSFER_ENCODING", ""):
            environ.update(_as_one_piece(environ))
        return application(environ, start_response)

    return answer


def _as_one_piece(environ: dict[str, Any]) -> dict[str, Any]:
    if not environ.get("wsgi.input_terminated"):
        return _nothing(411, NO_LENGTH)
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        body = environ["wsgi.input"].read(limit + 1)
    except Exception:  # noqa: BLE001  each server has its own words for it
        return _nothing(400, BROKEN)
    if len(body) > limit:
        return _nothing(413, too_large())
    return {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _nothing(status: int, sentence: str) -> dict[str, Any]:
    return {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0", FAULT: (status, sentence)}
