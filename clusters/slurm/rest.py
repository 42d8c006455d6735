"""Slurm through slurmrestd, with a JSON Web Token: in the newest version of the API that both sides know."""

import base64
import binascii
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import httpx

from clusters.slurm import batch_job, records
from clusters.slurm.batch_job import BatchJob
from clusters.slurm.client import KILL
from clusters.slurm.errors import DeniedError, NoSuchJobError, SlurmRefusedError, UnreachableError
from clusters.slurm.records import AccountedJob, SlurmJob, SlurmNode, SlurmPartition

VERSIONS = ("v0.0.42", "v0.0.41", "v0.0.40", "v0.0.39", "v0.0.38")
"""The newest first; what is written to each is in `batch_job.py`."""
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
KEPT_SECONDS = 2.0
"""An idle connection is kept so long: shorter than slurmrestd keeps it, or a request would meet it closing."""
NAMES_A_REQUEST = 100
TELLS_CHANGES = frozenset({"v0.0.42"})
"""Versions in which jobs can be asked for if any has changed since a moment of the controller's clock."""
SECONDS_AGAIN = 3
"""It counts whole seconds: what changed in the last ones is asked for again."""
OF_CONTROLLER = range(2000, 3000)
"""Slurm's numbers of errors with which the controller itself answers; others mean that it was not asked, or not understood."""
AGAIN = frozenset({2020, 2029, 2061})
"""Of those: try again later (in transition, disabled for now, the database is away)."""
INVALID_JOB, ALREADY_DONE = 2017, 2021
AUTHENTICATION = "authentication error"
NOTHING_FOUND = "Nothing found"
DENIED = frozenset({401, 403, 511})


class _Complaint(NamedTuple):
    words: str
    code: int


class RestClient:
    """See `client.SlurmClient`. `token` is asked before each request: it may be one that is renewed."""

    def __init__(self, url: str, *, token: Callable[[], str], user: str = "") -> None:
        self.url = url.rstrip("/")
        self._token, self._user = token, user
        limits = httpx.Limits(max_connections=16, keepalive_expiry=KEPT_SECONDS)
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT, limits=limits)
        self._version = ""
        self._jobs: Sequence[SlurmJob] = ()
        self._jobs_of = 0
        self._reading_jobs = threading.Lock()  # an older list must not come after a newer one

    def submit(self, asked: BatchJob) -> int:
        version = self.version()
        numbers = tuple(int(part) for part in re.findall(r"\d+", version))
        body = batch_job.for_rest(asked, (numbers[0], numbers[1], numbers[2]))
        answer = self.ask("POST", f"/slurm/{version}/job/submit", body)
        found = records.number(answer.get("job_id") or (answer.get("result") or {}).get("job_id"))
        if not found:
            raise UnreachableError(f"Slurm's REST API at {self.url} took a job and did not say its number.")
        return found

    def jobs(self) -> Sequence[SlurmJob]:
        with self._reading_jobs:
            answer = self._get("/slurm/{}/jobs", {"update_time": self._jobs_of} if self._jobs_of else {})
            if answer is not None:
                self._jobs = [records.job(one) for one in answer.get("jobs") or ()]
                # By the controller's clock (ours may differ); older versions do not tell it, or want it in words.
                told = records.number(answer.get("last_update")) if self._version in TELLS_CHANGES else None
                self._jobs_of = max(0, (told or 0) - SECONDS_AGAIN)
            return self._jobs

    def accounted(self, names: Collection[str]) -> Sequence[AccountedJob]:
        found: list[AccountedJob] = []
        for some in _batches(names):
            answer = self._get("/slurmdb/{}/jobs", {"job_name": ",".join(some), "start_time": "1970-01-02"})
            found.extend(records.accounted_job(one) for one in (answer or {}).get("jobs") or ())
        return found

    def nodes(self) -> Sequence[SlurmNode]:
        return [records.node(one) for one in (self._get("/slurm/{}/nodes") or {}).get("nodes") or ()]

    def partitions(self) -> Sequence[SlurmPartition]:
        return [records.partition(one) for one in (self._get("/slurm/{}/partitions") or {}).get("partitions") or ()]

    def cancel(self, job_id: int, signal: str = KILL) -> None:
        try:
            self.ask("DELETE", f"/slurm/{self.version()}/job/{job_id}?signal={signal}")
        except NoSuchJobError:
            return

    def close(self) -> None:
        self._http.close()

    def version(self) -> str:
        """The newest that the server offers too; found once."""
        if not self._version:
            for version in VERSIONS:
                if self._send("GET", f"/slurm/{version}/ping").status_code != httpx.codes.NOT_FOUND:
                    self._version = version
                    break
            else:
                raise UnreachableError(
                    f"{self.url} offers none of the versions {VERSIONS[-1]} to {VERSIONS[0]} of Slurm's REST API. Is it a slurmrestd?"
                )
        return self._version

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request, and what it answered; for accounts and QOS too. Nothing changed: an empty answer."""
        response = self._send(method, path, body)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return {}
        answer = _json(response)
        complaints = [] if answer is None else [_complaint(one) for one in answer.get("errors") or ()]
        if response.status_code == httpx.codes.NOT_FOUND and answer is None:
            self._version = ""  # another release answers now
        if response.is_success and answer is not None and not _is_fault(complaints, answer):
            return answer
        raise self._error(response.status_code, complaints or [_Complaint(response.text.strip()[:200], 0)])

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """None: nothing has changed."""
        where = path.format(self.version())
        if query:
            where += f"?{httpx.QueryParams(dict(query))}"
        try:
            return self.ask("GET", where) or None
        except SlurmRefusedError as error:
            raise UnreachableError(str(error)) from None

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        token = self._read_token()
        user = self._user or str(_claims(token).get("sun") or "")
        try:
            headers = {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": token}
            return self._http.request(method, path, json=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise UnreachableError(f"Slurm's REST API at {self.url} does not answer: {_words_of(error)}.") from None

    def _read_token(self) -> str:
        try:
            return self._token()
        except OSError as error:
            raise DeniedError(f"The token for Slurm's REST API cannot be read: {error}.") from None

    def _error(self, status: int, complaints: Sequence[_Complaint]) -> Exception:
        words = "; ".join(one.words for one in complaints if one.words) or f"HTTP {status} without a word"
        codes = {one.code for one in complaints}
        expired = self._expired()
        if status in DENIED or AUTHENTICATION in words or expired:
            return DeniedError(f"Slurm's REST API at {self.url} refuses the token{expired}: {words}.")
        code = next((one for one in codes if one in OF_CONTROLLER), 0)
        if code in (INVALID_JOB, ALREADY_DONE):
            return NoSuchJobError(words, code)
        if (code and code not in AGAIN) or status == httpx.codes.BAD_REQUEST:
            return SlurmRefusedError(words, code)
        return UnreachableError(
            f"Slurm's REST API at {self.url} answers, but its controller or database does not: {words} (HTTP {status})."
        )

    def _expired(self) -> str:
        """Releases before 23 say no more than that something failed."""
        try:
            until = float(_claims(self._read_token()).get("exp") or 0)
        except (TypeError, ValueError, UnreachableError):
            return ""
        if not until or until > time.time():
            return ""
        return f", which expired at {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(until))} UTC"


def _json(response: httpx.Response) -> dict[str, Any] | None:
    try:
        found = response.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _complaint(one: Mapping[str, Any]) -> _Complaint:
    parts = [str(one.get(name) or "").strip() for name in ("description", "error")]
    words = parts[0] if parts[1] in parts[0] else ": ".join(part for part in parts if part)
    return _Complaint(words, records.number(one.get("error_number", one.get("error_code"))) or 0)


def _is_fault(complaints: Sequence[_Complaint], answer: Mapping[str, Any]) -> bool:
    """A job that was taken may come with a remark; and "nothing found" in the accounts is an answer."""
    if answer.get("job_id"):
        return False
    return any(NOTHING_FOUND not in one.words for one in complaints) and not answer.get("jobs")


def _claims(token: str) -> Mapping[str, Any]:
    """What stands in a token, unchecked: for words only."""
    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _words_of(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _batches(names: Collection[str]) -> Iterator[list[str]]:
    left = iter(sorted(names))
    while some := list(islice(left, NAMES_A_REQUEST)):
        yield some
