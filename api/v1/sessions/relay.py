"""Passes the bytes of sessions on, between callers and agents: an event loop in a thread of each web process.

A caller and the agent that he waits for come to whichever web process the system gives them. So each process listens on an
address of its own (`TRAINYARD_SESSIONS_ADDRESS`, a port that the system chooses), the session's row says where its caller
is, and the process to which the agent came connects there, with a proof that only the site's own processes can make. What
is read on one side is written on the other before more is read: whoever is slow holds the other side up, and fills no memory.
"""

import asyncio
import hmac
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections

from api.v1.sessions.web_socket import GOING_AWAY, NORMAL, PIECE, POLICY, TRY_LATER, WebSocket
from jobs.sessions.meeting import why_not_any_more
from jobs.sessions.opening import COME_SECONDS
from scheduling.errors import UnavailableError

log = logging.getLogger(__name__)
SILENT_SECONDS = 45.0
"""Both ends give a sign of life every ten: who says nothing for so long is gone, whatever the network thinks."""
STUCK_SECONDS = 45.0  # for what was written to be taken
LOOK_SECONDS = 15.0  # how often it is asked whether the caller may still
CONNECT_SECONDS = 5.0
PROOF_BYTES = 32
SALT = b"trainyard session relay: "
NO_AGENT = f"The node's agent did not come within {COME_SECONDS} s. It may be away, cut off from the site (TRAINYARD_CODE_URL), or older than sessions."
LOST = "The other end is gone."


@dataclass
class Caller:
    """One who is here, and waits for the agent."""

    agent: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=asyncio.Future)


class Relay:
    """Of one process. It begins with the first session: a thread of before a fork would be of no use after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._address = ""
        self._callers: dict[UUID, Caller] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def address(self) -> str:
        """Where other web processes find this one. Raises UnavailableError where it cannot be found, or has enough to do."""
        with self._lock:
            if self._loop is None:
                self._begin()
            if len(self._tasks) >= settings.SESSIONS_PER_PROCESS:
                raise UnavailableError("Too many sessions go through this web process at the moment: try again soon.")
            return self._address

    def take_caller(self, session_id: UUID, connection: socket.socket, early: bytes) -> None:
        """His half is here; the agent has half a minute to come. From any thread."""
        self._run(self._with(connection, early, lambda web: self._caller(session_id, web)))

    def take_agent(self, session_id: UUID, relay: str, connection: socket.socket, early: bytes) -> None:
        """The agent's half is here: on to the process that has the caller. From any thread."""
        self._run(self._with(connection, early, lambda web: self._agent(session_id, relay, web)))

    def _begin(self) -> None:
        listener = socket.create_server((settings.SESSIONS_ADDRESS, 0))
        host = settings.SESSIONS_ADDRESS
        self._address = f"{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._serve, args=(self._loop, listener), name="sessions", daemon=True).start()

    def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.start_server(self._knock, sock=listener, limit=PIECE))
        loop.run_forever()

    def _run(self, half: Awaitable[None]) -> None:
        assert self._loop is not None  # noqa: S101  `address` was asked before
        self._loop.call_soon_threadsafe(self._start, half)

    def _start(self, half: Awaitable[None]) -> None:
        task = asyncio.ensure_future(half)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _with(
        self, connection: socket.socket, early: bytes, half: Callable[[WebSocket], Awaitable[tuple[int, str]]]
    ) -> None:
        code, reason = GOING_AWAY, "The site failed to pass the session on."
        web = await WebSocket.on(connection, early)
        try:
            code, reason = await half(web)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            reason = LOST
            log.info("A session broke off: %r", error)
        except Exception:
            log.exception("A session could not be passed on.")
        finally:
            await web.close(code, reason)

    async def _caller(self, session_id: UUID, web: WebSocket) -> tuple[int, str]:
        waiting = self._callers.setdefault(session_id, Caller())
        try:
            reader, writer = await asyncio.wait_for(waiting.agent, COME_SECONDS)
        except TimeoutError:
            return TRY_LATER, NO_AGENT
        finally:
            self._callers.pop(session_id, None)
        watch = asyncio.ensure_future(_not_any_more(session_id))
        try:
            return await _pass_on(web, reader, writer, watch)
        finally:
            watch.cancel()

    async def _agent(self, session_id: UUID, relay: str, web: WebSocket) -> tuple[int, str]:
        host, _, port = relay.rpartition(":")
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(host.strip("[]"), int(port), limit=PIECE), CONNECT_SECONDS
            )
        except (OSError, TimeoutError):
            return (
                TRY_LATER,
                f"The web process of the caller cannot be reached at {relay} (TRAINYARD_SESSIONS_ADDRESS).",
            )
        writer.write(session_id.bytes + _proof(session_id))
        return await _pass_on(web, reader, writer, None)

    async def _knock(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Another web process brings an agent, or somebody else tries his luck."""
        try:
            said = await asyncio.wait_for(reader.readexactly(16 + PROOF_BYTES), CONNECT_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.close()
            return
        session_id = UUID(bytes=said[:16])
        waiting = self._callers.setdefault(session_id, Caller()) if _is_proof(session_id, said[16:]) else None
        if waiting is None or waiting.agent.done():
            writer.close()
            return
        waiting.agent.set_result((reader, writer))
        # The agent may be quicker than the answer to the caller, who is here in a moment or not at all.
        await asyncio.sleep(CONNECT_SECONDS)
        if self._callers.pop(session_id, None) is waiting:
            writer.close()


def _proof(session_id: UUID) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), SALT + session_id.bytes, "sha256")


def _is_proof(session_id: UUID, said: bytes) -> bool:
    return hmac.compare_digest(said, _proof(session_id))


async def _pass_on(
    web: WebSocket,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    watch: "asyncio.Future[str] | None",
) -> tuple[int, str]:
    """Until one side is over, or `watch` says why it is; how to close the WebSocket."""
    writer.transport.set_write_buffer_limits(high=PIECE)
    ways: list[asyncio.Future[str]] = [
        asyncio.ensure_future(_in(web, writer)),
        asyncio.ensure_future(_out(reader, web)),
    ]
    try:
        done, _ = await asyncio.wait([*ways, *([watch] if watch else [])], return_when=asyncio.FIRST_COMPLETED)
        reason = next(iter(done)).result()
        return (POLICY, reason) if watch in done else (NORMAL, reason)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()


async def _in(web: WebSocket, writer: asyncio.StreamWriter) -> str:
    while piece := await asyncio.wait_for(web.receive(), SILENT_SECONDS):
        writer.write(piece)
        await asyncio.wait_for(writer.drain(), STUCK_SECONDS)
    return ""


async def _out(reader: asyncio.StreamReader, web: WebSocket) -> str:
    while piece := await asyncio.wait_for(reader.read(PIECE), SILENT_SECONDS):
        await asyncio.wait_for(web.send(piece), STUCK_SECONDS)
    return ""


async def _not_any_more(session_id: UUID) -> str:
    """Returns when the session may not go on, why."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if reason := await asyncio.to_thread(_ask, session_id):
                return reason
        except Exception as error:  # noqa: BLE001  a database that is away ends no session
            log.info("Whether session %s may go on could not be asked: %r", session_id, error)


def _ask(session_id: UUID) -> str:
    try:
        return why_not_any_more(session_id)
    finally:
        close_old_connections()


relay = Relay()
