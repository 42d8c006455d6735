"""WebSockets: what asks for one, and the answer (101) after which its connection is somebody else's."""

import base64

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from websockets.utils import accept_key

from api.http import handover
from scheduling.errors import FieldError, InvalidError, UnavailableError

SOCKET = "gunicorn.socket"
KEY_BYTES = 16


def require(request: Request) -> str:
    """The key of the WebSocket that is asked for. Raises InvalidError where none is, UnavailableError where none can be."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    asked = request.headers.get("Upgrade", "").lower() == "websocket"
    if not asked or request.headers.get("Sec-WebSocket-Version") != "13" or not _is_key(key):
        words = "Must be a WebSocket's (version 13): a proxy in between has to pass Upgrade and Connection on."
        raise InvalidError([FieldError("Upgrade", words)])
    if request.META.get(SOCKET) is None or not handover.is_offered():
        raise UnavailableError("This server hands no connections over: sessions need the site's own gunicorn.")
    return key


def accept(request: Request, key: str, taker: handover.Taker) -> StreamingHttpResponse:
    """The answer 101; when it is out, `taker` gets the connection."""
    handover.request(request.META[SOCKET], taker)
    response = StreamingHttpResponse((), status=101)
    del response.headers["Content-Type"]
    response.headers["Upgrade"] = "websocket"
    response.headers["Connection"] = "upgrade"
    response.headers["Sec-WebSocket-Accept"] = accept_key(key)
    return response


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except ValueError:
        return False
