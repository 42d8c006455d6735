"""Connections that go on as something else than HTTP: a view says who takes one, and the worker hands it over once the answer is out.

No Django here: the worker is loaded before the site's settings.
"""

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

Taker = Callable[[socket.socket, bytes], None]
_waiting: dict[int, Taker] = {}
_lock = threading.Lock()
_offered = threading.Event()


def offer() -> None:
    """The worker of this process hands connections over."""
    _offered.set()


def is_offered() -> bool:
    return _offered.is_set()


def request(connection: Any, taker: Taker) -> None:
    """When the answer to its request is out, `taker` gets the connection and what was sent behind the request. It closes it."""
    with _lock:
        _waiting[id(connection)] = taker


def taken(connection: Any) -> Taker | None:
    """For the worker: who takes this connection from here on, if anybody does."""
    if not _waiting:
        return None
    with _lock:
        return _waiting.pop(id(connection), None)


def copy(connection: socket.socket) -> socket.socket:
    """The same connection under a descriptor of its own: the worker closes the one that it has."""
    return socket.socket(fileno=os.dup(connection.fileno()))
