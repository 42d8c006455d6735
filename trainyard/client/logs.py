"""What a job writes, as text."""

import codecs
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from trainyard.client.waiting import FIRST_PAUSE_SECONDS, GROWTH, LONGEST_PAUSE_SECONDS
from trainyard.errors import TrainyardError
from trainyard.http.log_stream import Log
from trainyard.http.requests import Row, Server
from trainyard.job_words import is_over

LAST_LINES = 20


def written(
    server: Server, job: Row, *, attempt: int | None = None, rank: int | None = None, tail: int | None = None
) -> str:
    """What an attempt has written by now, or its last lines; nothing where there was none."""
    if not job["attempt"]:
        return ""
    log = Log(server, job["id"], attempt, rank)
    if tail is not None:
        return "\n".join(log.last_lines(tail)[-tail:] if tail else [])
    return b"".join(log.written()).decode(errors="replace")


def followed(server: Server, ask: Callable[[], Row], rank: int | None = None) -> Iterator[str]:
    """Lines as they come, of the present attempt and all later ones, until the job is over."""
    job, pause = ask(), FIRST_PAUSE_SECONDS
    done = max(job["attempt"] - 1, 0)
    while True:
        over = is_over(job)
        for number in range(done + 1, job["attempt"] + 1):
            yield from _lines(Log(server, job["id"], number, rank).to_the_end())
            done, pause = number, FIRST_PAUSE_SECONDS
        if over:
            return
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
        job = ask()


def last_lines(server: Server, job: Row) -> list[str]:
    """The end of what its last attempt wrote; nothing where there is none to be had."""
    with suppress(TrainyardError, KeyError):
        return written(server, job, tail=LAST_LINES).splitlines()
    return []


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    decode, rest = codecs.getincrementaldecoder("utf-8")(errors="replace").decode, ""
    for piece in pieces:
        *lines, rest = (rest + decode(piece)).split("\n")
        yield from lines
    if rest:
        yield rest
