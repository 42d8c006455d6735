"""Whether this machine is about to be taken away by who lent it: what clouds, files and programs say about that.

A source is looked at again and again. It answers with a notice or with none; where neither can be said it raises
UnansweredError, and what was known before stays true. Standard library only.
"""

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

ANSWER_SECONDS = 3.0
"""What takes longer has not answered."""
UNSAID_SECONDS = 30.0
"""A notice that names no time counts as that much: it is the least that any of the clouds gives."""
MOST_BYTES = 65_536
NO_NOTICE = ("false", "none", "0")
NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.NO_CONTENT)
KINDS = "aws, gcp, azure, file:/PATH, http://HOST/PATH or command:PROGRAM WORDS"
AWS, GCP, AZURE = "http://169.254.169.254/latest", "http://metadata.google.internal", "http://169.254.169.254/metadata"
GOES = ("Preempt", "Terminate")
"""Of Azure's scheduled events those after which the machine is not there any more."""

_open = build_opener(ProxyHandler({})).open  # a machine's own metadata is behind no proxy


class Notice(NamedTuple):
    """The machine goes at `at`, in seconds of this machine's clock."""

    at: float

    @property
    def words(self) -> str:
        return f"at {datetime.fromtimestamp(self.at, UTC):%H:%M:%S} UTC"


class UnansweredError(Exception):
    """Nobody could say whether there is a notice."""


class Source(Protocol):
    def look(self) -> Notice | None:
        """The notice, if there is one. Raises UnansweredError."""


def source(text: str) -> Source:
    """What a setting names. Raises ValueError, with what would be right."""
    kind, _, rest = text.partition(":")
    if text in CLOUDS:
        return CLOUDS[text]()
    if kind == "file" and Path(path := rest.removeprefix("//")).is_absolute():
        return File(Path(path))
    if kind in ("http", "https") and urlsplit(text).hostname:
        return Url(text)
    if kind == "command" and (words := _words(rest)):
        return Command(words)
    raise ValueError(f"{text!r} is none of: {KINDS}.")


def _words(text: str) -> list[str]:
    words = shlex.split(text)
    if words and shutil.which(words[0]) is None:
        raise ValueError(f"There is no program {words[0]!r} here.")
    return words


class File:
    """There is a notice while the file is there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Notice | None:
        try:
            return read(self._path.read_text(encoding="utf-8", errors="replace")[:MOST_BYTES])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnansweredError(f"{self._path}: {error.strerror}") from error


class Url:
    """There is a notice while the address answers with anything but 404."""

    def __init__(self, url: str) -> None:
        self._url = url

    def look(self) -> Notice | None:
        body = get(self._url)
        return None if body is None else read(body)


class Command:
    """There is a notice where the program ends with 0, none where it ends with 1."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def look(self) -> Notice | None:
        try:
            done = subprocess.run(
                self._words, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS, check=False,
                stdin=subprocess.DEVNULL, env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnansweredError(f"{self._words[0]}: {error}") from error
        if done.returncode not in (0, 1):
            raise UnansweredError(f"{self._words[0]} ended with {done.returncode}")
        return read(done.stdout) if done.returncode == 0 else None


class Aws:
    """EC2: `instance-action` is not there until the machine is to go; asked with a session's token, where there are such."""

    def __init__(self, base: str = AWS) -> None:
        self._base = base
        self._token: str | None = None

    def look(self) -> Notice | None:
        if self._token is None:
            lasts = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            self._token = get(f"{self._base}/api/token", lasts, method="PUT") or ""
        token = {"X-aws-ec2-metadata-token": self._token} if self._token else {}
        try:
            body = get(f"{self._base}/meta-data/spot/instance-action", token)
        except UnansweredError:
            self._token = None  # it may have run out
            raise
        return None if body is None else read(body)


class Gcp:
    """Compute Engine: `preempted` is FALSE until the machine is to go; then it has thirty seconds."""

    def __init__(self, base: str = GCP) -> None:
        self._url = f"{base}/computeMetadata/v1/instance/preempted"

    def look(self) -> Notice | None:
        body = get(self._url, {"Metadata-Flavor": "Google"})
        return None if body is None else read(body)


class Azure:
    """Scheduled events, those alone that end this machine: a scale set hears of all of its machines."""

    def __init__(self, base: str = AZURE) -> None:
        self._base = base
        self._name = ""

    def look(self) -> Notice | None:
        own = {"Metadata": "true"}
        if not self._name:
            named = get(f"{self._base}/instance/compute/name?api-version=2021-02-01&format=text", own)
            self._name = (named or "").strip().lower()
        events = _object(get(f"{self._base}/scheduledevents?api-version=2020-07-01", own) or "{}").get("Events", [])
        mine = [event for event in events if event.get("EventType") in GOES and self._is_meant(event)]
        return min((_notice(event.get("NotBefore")) for event in mine), default=None)

    def _is_meant(self, event: Mapping[str, Any]) -> bool:
        return not self._name or self._name in [str(one).lower() for one in event.get("Resources", ())]


CLOUDS: Mapping[str, Callable[[], Source]] = {"aws": Aws, "gcp": Gcp, "azure": Azure}


def get(url: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> str | None:
    """What the address answers; None if it says that there is nothing. Raises UnansweredError."""
    try:
        with _open(Request(url, headers=dict(headers or {}), method=method), timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            body: str = answer.read(MOST_BYTES).decode(errors="replace")
            return None if answer.status in NOT_THERE else body
    except HTTPError as error:
        error.close()
        if error.code in NOT_THERE:
            return None
        raise UnansweredError(f"{url} answered with {error.code}") from error
    except (OSError, ValueError) as error:
        raise UnansweredError(f"{url}: {error}") from error


def read(body: str) -> Notice | None:
    """A notice, with its time where it says one: as `time` or `NotBefore` of a JSON object, or as the only word."""
    said = body.strip()
    if said.lower() in NO_NOTICE:
        return None
    if said.startswith("{"):
        known = _object(said)
        return _notice(known.get("time") or known.get("NotBefore"))
    return _notice(said)


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UnansweredError(f"{text[:80]!r} is no JSON") from error
    if not isinstance(found, dict):
        raise UnansweredError(f"{text[:80]!r} is no JSON object")
    return found


def _notice(when: object) -> Notice:
    for read_time in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read_time(str(when))
        except ValueError:
            continue
        return Notice((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return Notice(time.time() + UNSAID_SECONDS)
