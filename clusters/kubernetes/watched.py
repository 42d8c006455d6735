"""A list of objects that is kept current by a watch: one open request instead of one question an object."""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from urllib3 import HTTPResponse

from clusters.kubernetes.connection import EXPIRED, Connection, DeniedError, JsonObject, KubernetesError, SilentError

WATCH_SECONDS = 50
"""How long the server keeps a watch open; then another one goes on where it ended."""
SILENCE_SECONDS = 75.0
PAUSES = (0.2, 5.0)
"""After a failure, doubled up to the second."""
PAGE = 500
PIECE_BYTES = 2**16
OWN_SECONDS = 30.0
"""How long an object that we made ourselves outlives a list that was taken before it."""


class Watched:
    """The objects under a path that a label selector names, by name. Used by any thread; its own thread keeps it current.

    What went is kept as it was last seen, until `drop`: the last word of an object is in its going.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        selector: str,
        changed: Callable[[], None],
        trim: Callable[[JsonObject], JsonObject] = lambda told: told,
    ) -> None:
        """`trim` leaves of an object what is asked about: there may be thousands of them."""
        self._connection = connection
        self._trim = trim
        self._path = path
        self._selector = selector
        self._changed = changed
        self._lock = threading.Lock()
        self._listed = threading.Event()
        self._over = threading.Event()
        self._objects: dict[str, JsonObject] = {}
        self._gone: dict[str, JsonObject] = {}
        self._own: dict[str, float] = {}
        self._version = ""
        self._revision = 0
        self._fault: KubernetesError | None = None
        self._thread = threading.Thread(target=self._follow, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Returns at once: a watch that is silent ends by itself."""
        self._over.set()

    def current(self, wait_seconds: float = 10.0) -> int:
        """A number that is another one after each change. Raises what keeps the list from being current: SilentError, DeniedError."""
        self._listed.wait(wait_seconds)
        with self._lock:
            if self._fault is not None:
                raise self._fault
            if not self._listed.is_set():
                raise SilentError(f"Kubernetes has not answered within {wait_seconds:g} s: cannot list {self._path}.")
            return self._revision

    def objects(self) -> tuple[Mapping[str, JsonObject], Mapping[str, JsonObject]]:
        """What is there, and what went since it was last dropped, as last seen; as of now, if it is current."""
        with self._lock:
            return dict(self._objects), dict(self._gone)

    def put(self, made: JsonObject) -> None:
        """An object that we have just made or changed: nobody shall think it missing until the watch tells of it."""
        made = self._trim(made)
        with self._lock:
            self._own[_name(made)] = time.monotonic()
            known = self._objects.get(_name(made))
            if known is None or _number(made) >= _number(known):
                self._objects[_name(made)] = made
            self._revision += 1

    def drop(self, names: Collection[str]) -> None:
        """Nobody asks about these any more, there or gone."""
        with self._lock:
            for name in names:
                known = self._objects.pop(name, None) or self._gone.pop(name, None)
                self._own.pop(name, None)
                self._revision += known is not None

    def _follow(self) -> None:
        pause = PAUSES[0]
        while not self._over.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
                pause = PAUSES[0]
            except KubernetesError as error:
                if isinstance(error, DeniedError) and error.status == EXPIRED:
                    self._version = ""
                    continue
                with self._lock:
                    self._fault = error
                self._listed.set()
                self._changed()
                self._over.wait(pause)
                pause = min(pause * 2, PAUSES[1])

    def _list(self) -> None:
        began = time.monotonic()
        found: dict[str, JsonObject] = {}
        version = ""
        for page in pages(self._connection, self._path, labelSelector=self._selector):
            version = str(page["metadata"]["resourceVersion"])
            found |= {_name(item): self._trim(item) for item in page.get("items") or []}
        with self._lock:
            made = {name for name, moment in self._own.items() if moment > began - OWN_SECONDS}
            kept = {name: self._objects[name] for name in made & self._objects.keys() - found.keys()}
            self._own = {name: moment for name, moment in self._own.items() if name in kept}
            self._gone |= {name: one for name, one in self._objects.items() if name not in found and name not in kept}
            self._objects = kept | found
            self._version = version
            self._revision += 1
            self._fault = None
        self._listed.set()
        self._changed()

    def _watch(self) -> None:
        query = {
            "watch": "true", "labelSelector": self._selector, "resourceVersion": self._version,
            "timeoutSeconds": WATCH_SECONDS, "allowWatchBookmarks": "true",
        }  # fmt: skip
        with self._connection.stream(f"watch {self._path}", self._path, query=query, silence=SILENCE_SECONDS) as answer:
            with self._lock:
                self._fault = None
            buffered = b""
            for piece in _as_it_comes(answer):
                *lines, buffered = (buffered + piece).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
                if self._over.is_set():
                    return

    def _take(self, event: JsonObject) -> None:
        kind, told = event["type"], event["object"]
        told = told if kind in ("ERROR", "BOOKMARK") else self._trim(told)
        if kind == "ERROR":
            if told.get("code") == EXPIRED:
                raise DeniedError(f"watch {self._path}", EXPIRED, "Expired", str(told.get("message")))
            raise SilentError(f"Kubernetes ends a watch: {told.get('message')}")
        name = told["metadata"].get("name", "")
        with self._lock:
            self._version = str(told["metadata"]["resourceVersion"])
            if kind == "BOOKMARK":
                return
            self._revision += 1
            self._own.pop(name, None)
            if kind == "DELETED":
                if self._objects.pop(name, None) is not None:
                    self._gone[name] = told
            else:
                self._objects[name] = told
        self._changed()


def _as_it_comes(answer: HTTPResponse) -> Iterator[bytes]:
    """Whatever stands between us and the server may take the chunks away."""
    if answer.chunked:
        yield from answer.stream(amt=None)
    while piece := answer.read1(PIECE_BYTES):
        yield piece


def pages(connection: Connection, path: str, **query: Any) -> Iterator[JsonObject]:
    """A list, however long, in answers of bearable size. Raises SilentError, DeniedError."""
    going_on = ""
    while True:
        more = {"continue": going_on} if going_on else {}
        page = connection.ask(f"list {path}", "GET", path, query={**query, "limit": PAGE, **more})
        yield page
        going_on = page["metadata"].get("continue") or ""
        if not going_on:
            return


def _name(item: JsonObject) -> str:
    return str(item["metadata"]["name"])


def _number(item: JsonObject) -> int:
    """Versions are opaque by the book, and numbers in every server there is."""
    version = str(item["metadata"].get("resourceVersion", ""))
    return int(version) if version.isdigit() else 0
