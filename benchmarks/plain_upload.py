"""A plain server that takes uploads: it writes each body to a file of its own and has it on the disk before it answers."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

PIECE = 1024 * 1024


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI; the folder comes from UPLOADS."""
    left = int(environ.get("CONTENT_LENGTH") or 0)
    with Path(os.environ["UPLOADS"], uuid4().hex).open("wb") as file:
        while left and (piece := environ["wsgi.input"].read(min(left, PIECE))):
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    start_response("200 OK", [("Content-Length", "0")])
    return []
