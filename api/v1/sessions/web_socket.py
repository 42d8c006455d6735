"""The site's side of a WebSocket after its answer 101, as a stream of bytes: where its messages begin and end says nothing."""

import asyncio
import socket

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

LONGEST_MESSAGE = 1024 * 1024
PIECE = 64 * 1024
CARRIES_BYTES = (Opcode.BINARY, Opcode.CONT)
NORMAL, GOING_AWAY, POLICY, TRY_LATER = 1000, 1001, 1008, 1013
REASON_BYTES = 123


class WebSocket:
    """One, with somebody who may vanish at any moment."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = ServerProtocol(state=State.OPEN, max_size=LONGEST_MESSAGE)
        if early:
            self._protocol.receive_data(early)

    @classmethod
    async def on(cls, connection: socket.socket, early: bytes) -> "WebSocket":
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection, limit=PIECE)
        writer.transport.set_write_buffer_limits(high=PIECE)
        return cls(reader, writer, early)

    async def receive(self) -> bytes:
        """The next bytes; none when it is over. Raises OSError."""
        while True:
            events = [one for one in self._protocol.events_received() if isinstance(one, Frame)]
            found = b"".join(bytes(one.data) for one in events if one.opcode in CARRIES_BYTES)
            await self._flush()
            if found:
                return found
            if self._protocol.state is not State.OPEN:
                return b""
            piece = await self._reader.read(PIECE)
            if piece:
                self._protocol.receive_data(piece)
            else:
                self._protocol.receive_eof()

    async def send(self, data: bytes) -> None:
        """Returns when it is on its way, as far as the other side reads. Raises OSError."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(data)
            await self._flush()

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """With a word to the other side, if it is still there."""
        try:
            if self._protocol.state is State.OPEN:
                cut = reason.encode()[:REASON_BYTES].decode(errors="ignore")
                self._protocol.send_close(code, cut)
                await self._flush()
        except (OSError, ProtocolError):
            pass
        finally:
            self._writer.close()

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
            elif self._writer.can_write_eof():
                self._writer.write_eof()
        await self._writer.drain()
