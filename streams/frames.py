"""Frames: a kind, the number of a stream, and up to 64 KiB of content. The bytes of a connection in any pieces give the same frames."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

HEAD = struct.Struct("!BHI")
LONGEST = 64 * 1024
STDIN, STDOUT, STDERR, FIRST_CONNECTION = 0, 1, 2, 16
MOST_STREAMS = 2**16


class Kind(IntEnum):
    """What a frame says. A kind that somebody does not know is passed over: releases differ."""

    DATA = 1  # bytes of a stream
    END = 2  # the sender will send no more of it
    ROOM = 3  # so many more bytes of it may be sent
    OPEN = 4  # from the caller: a new connection, under this number
    CLOSED = 5  # the stream is over in both directions; why, in words, if it failed
    SIGNAL = 6  # from the caller: the name of a signal for the command
    SIZE = 7  # from the caller: rows and columns of its terminal
    READY = 8  # from the agent: the command runs, or the port is there
    EXIT = 9  # from the agent, the last one: how it ended, as JSON
    ALIVE = 10  # nothing but a sign of life


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    stream: int = 0
    content: bytes = b""


class BadFrameError(ValueError):
    """What came is no frame, or breaks the rules: the connection is of no use any more."""


def encode(frame: Frame) -> bytes:
    """Raises ValueError for content that is too long."""
    if len(frame.content) > LONGEST:
        raise ValueError(f"{len(frame.content)} bytes are more than a frame holds")
    return HEAD.pack(frame.kind, frame.stream, len(frame.content)) + frame.content


class Decoder:
    """The frames in the bytes of one direction of a connection."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises BadFrameError."""
        self._bytes += piece
        while len(self._bytes) >= HEAD.size:
            kind, stream, length = HEAD.unpack_from(self._bytes)
            if length > LONGEST:
                raise BadFrameError(f"a frame of {length} bytes")
            end = HEAD.size + length
            if len(self._bytes) < end:
                return
            content = bytes(self._bytes[HEAD.size : end])
            del self._bytes[:end]
            yield Frame(kind, stream, content)


def number(content: bytes) -> int:
    """What ROOM says. Raises BadFrameError."""
    if len(content) != NUMBER.size:
        raise BadFrameError("a number of another length")
    return int(NUMBER.unpack(content)[0])


def room(stream: int, count: int) -> Frame:
    return Frame(Kind.ROOM, stream, NUMBER.pack(count))


def size(rows: int, columns: int) -> Frame:
    """Of a terminal; a program that finds it has none says 0 by 0."""
    return Frame(Kind.SIZE, 0, SIZE.pack(min(rows, MOST_CELLS), min(columns, MOST_CELLS)))


def rows_and_columns(content: bytes) -> tuple[int, int]:
    """What SIZE says; where it says nothing of use, 24 by 80. Raises BadFrameError."""
    if len(content) != SIZE.size:
        raise BadFrameError("a size of another length")
    rows, columns = SIZE.unpack(content)
    return usual(rows, columns)


def usual(rows: int, columns: int) -> tuple[int, int]:
    """Programs divide by the width of a terminal: one of nothing is taken for the usual one."""
    return (rows or 24, columns or 80)


NUMBER = struct.Struct("!I")
SIZE = struct.Struct("!HH")
MOST_CELLS = 2**16 - 1
