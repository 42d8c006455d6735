"""All sessions of this node: who is asked for is served, who is over goes on record, and none outlives its attempt."""

import asyncio
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings

from executors.beside.forwarding import Forwarding
from executors.beside.process import ProcessSession, Result
from executors.beside.wire import GONE, Wire, open_wire
from executors.run.placement_run import PlacementRun
from jobs.models import JobSession
from jobs.sessions import ending
from jobs.sessions.ending import Ended
from jobs.sessions.waiting import waiting
from streams.frames import BadFrameError, Frame, Kind, usual
from workers.runtime.beside.launch import Asked, Companion, launch

log = logging.getLogger(__name__)
END_SECONDS = 5.0
NOWHERE = "The agent does not know where the site is: TRAINYARD_CODE_URL is not set for it."
CALLER_GONE = "The caller went away."
ATTEMPT_OVER = "The job's command has ended, and everything beside it."
CANNOT = 126


@dataclass
class Live:
    """One that is served. `stop` is the loop's, `over` for whoever waits in another thread."""

    asked: JobSession
    folder: Path
    token: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Speaking(Protocol):
    """What the caller's frames go to."""

    def heard(self, frame: Frame) -> None: ...

    async def run(self) -> Result: ...


class SessionHub:
    """`look` is for the thread that speaks with the database, the others for any."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake`: have `look` called soon."""
        self._wake = wake
        self._live: dict[UUID, Live] = {}
        self._ended: deque[Ended] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def look(self, runs: Mapping[int, PlacementRun]) -> None:
        """Write down what is over, and serve who waits beside these."""
        if said := list(self._ended):
            ending.end(said)
            for _ in said:  # from the front: others may have come behind them
                self._ended.popleft()
        if not runs or not settings.SESSIONS or self._closed:
            return
        for asked in waiting(list(runs)):
            if asked.pk not in self._live:
                run = runs[asked.placement_id]
                self._begin(Live(asked, run.folder, run.claimed.token))

    @staticmethod
    def take_over(placement_ids: Collection[int]) -> None:
        """Of what an earlier agent had beside these nothing is left."""
        if placement_ids:
            ending.end_left_behind(placement_ids)

    def end_beside(self, placement_id: int, within: float = END_SECONDS) -> None:
        """The attempt is over: so is everything beside it, when this returns."""
        self._end([live for live in list(self._live.values()) if live.asked.placement_id == placement_id], within)

    def close(self, within: float = END_SECONDS) -> None:
        """The agent goes: no session goes on."""
        self._closed = True
        self._end(list(self._live.values()), within)

    def _end(self, lives: Collection[Live], within: float) -> None:
        for live in lives:
            assert self._loop is not None  # noqa: S101  something is served
            self._loop.call_soon_threadsafe(live.stop.set)
        until = time.monotonic() + within
        for live in lives:
            if not live.over.wait(max(0.0, until - time.monotonic())):
                log.error("Session %s beside placement %d does not end.", live.asked.pk, live.asked.placement_id)

    def _begin(self, live: Live) -> None:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="sessions", daemon=True).start()
        self._live[live.asked.pk] = live
        asyncio.run_coroutine_threadsafe(self._serve(live), self._loop)

    async def _serve(self, live: Live) -> None:
        result = Result(None, CALLER_GONE)
        try:
            result = await self._spoken(live)
        except GONE as error:
            log.info("Session %s broke off: %r", live.asked.pk, error)
        except BadFrameError as error:
            result = Result(None, f"The caller does not keep to the protocol: {error}.")
        except Exception as error:
            log.exception("Session %s failed.", live.asked.pk)
            result = Result(None, f"The agent failed to serve the session: {error!r}.")
        finally:
            self._ended.append(Ended(live.asked.pk, result.exit_code, result.message))
            self._live.pop(live.asked.pk, None)
            live.over.set()
            self._wake()

    async def _spoken(self, live: Live) -> Result:
        if not settings.CODE_URL:
            return Result(None, NOWHERE)
        try:
            wire = await open_wire(settings.CODE_URL, live.asked.pk, live.token)
        except GONE as error:
            return Result(None, f"The agent cannot reach the site at {settings.CODE_URL}: {error or 'no answer'}.")
        try:
            if live.asked.kind == JobSession.Kind.PORT:
                result = await _port(wire, live)
            else:
                result = await _process(wire, live)
            said = json.dumps({"exit_code": result.exit_code, "message": result.message})
            await wire.send(Kind.EXIT, content=said.encode())
            return result
        finally:
            await wire.close()


async def _port(wire: Wire, live: Live) -> Result:
    port = live.asked.port or 0
    activity = Activity()
    forwarding = Forwarding(wire, port, activity.touch)
    if not await forwarding.is_there():
        return Result(1, f"Nobody listens on port {port} of the job's node.")
    try:
        return await _talk(wire, live, forwarding, activity)
    finally:
        await forwarding.close()


async def _process(wire: Wire, live: Live) -> Result:
    asked = live.asked
    tty = asked.kind == JobSession.Kind.SHELL
    rows, columns = usual(asked.rows, asked.columns)
    more = {"TRAINYARD_SESSION": str(asked.pk), **({"TERM": asked.terminal or "dumb"} if tty else {})}
    command = Asked(tuple(asked.command), more, tty=tty, rows=rows, columns=columns)
    try:
        companion = await asyncio.to_thread(launch, live.folder, command)
    except OSError as error:
        return Result(CANNOT, f"The node could not start the command: {error}.")
    activity = Activity()
    process = ProcessSession(wire, companion, activity.touch)
    try:
        return await _talk(wire, live, process, activity)
    finally:
        await asyncio.to_thread(_put_away, companion, at_once=live.stop.is_set())
        process.close()


def _put_away(companion: Companion, *, at_once: bool) -> None:
    """Nothing of it is left when this returns, unless the kernel holds it."""
    if at_once:
        companion.kill()
    companion.let_go()
    companion.wait(END_SECONDS)


async def _talk(wire: Wire, live: Live, speaking: Speaking, activity: "Activity") -> Result:
    """Until it is over by itself, nobody says anything for too long, or its attempt ends. Raises what is in GONE."""
    await wire.send(Kind.READY)
    work = asyncio.ensure_future(speaking.run())
    others: dict[asyncio.Future[Any], str] = {
        asyncio.ensure_future(_hear(wire, speaking)): CALLER_GONE,
        asyncio.ensure_future(wire.keep_alive()): CALLER_GONE,
        asyncio.ensure_future(live.stop.wait()): ATTEMPT_OVER,
        asyncio.ensure_future(activity.idle(settings.SESSION_IDLE_SECONDS)): _idle_words(),
    }
    try:
        done, _ = await asyncio.wait([work, *others], return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            return await work
        over = next(iter(done))
        await over
        return Result(None, others[over])
    finally:
        for task in (work, *others):
            task.cancel()
        await asyncio.gather(work, *others, return_exceptions=True)


def _idle_words() -> str:
    return f"Nothing was said for {settings.SESSION_IDLE_SECONDS:g} s (TRAINYARD_SESSION_IDLE_SECONDS)."


async def _hear(wire: Wire, speaking: Speaking) -> None:
    async for frame in wire.frames():
        speaking.heard(frame)


class Activity:
    """When something was last said, in either direction."""

    def __init__(self) -> None:
        self._at = asyncio.get_running_loop().time()

    def touch(self) -> None:
        self._at = asyncio.get_running_loop().time()

    async def idle(self, seconds: float) -> None:
        """Returns when nothing was said for so long."""
        while (left := self._at + seconds - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110  a clock, no event
            await asyncio.sleep(left)
