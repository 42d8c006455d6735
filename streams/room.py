"""How much of a stream may be on its way: who reads slowly is sent little, and nobody keeps more than a window in memory.

One slow stream keeps no other from moving, nor a signal or the end of everything: those need no room.
"""

from streams.frames import BadFrameError

WINDOW = 256 * 1024
TOLD_AT = WINDOW // 4
"""By so much at once the sender is told: a word for each piece would be half of all that travels."""


class Sending:
    """The side that sends: how much it may still send."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self.room = window

    def take(self, count: int) -> None:
        """So much is on its way. Raises ValueError for more than there is room for."""
        if count > self.room:
            raise ValueError(f"{count} bytes into a room of {self.room}")
        self.room -= count

    def grant(self, count: int) -> None:
        """The other side has dealt with so much. Raises BadFrameError for more than it was sent."""
        if self.room + count > self._window:
            raise BadFrameError("more room than there ever was")
        self.room += count


class Receiving:
    """The side that receives: it holds the sender to the window, and says when there is room again."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._held = 0  # received, and not told of as dealt with
        self._done = 0  # of those, dealt with

    def received(self, count: int) -> None:
        """Raises BadFrameError for more than the sender was given room for."""
        if self._held + count > self._window:
            raise BadFrameError("more bytes than there was room for")
        self._held += count

    def done(self, count: int) -> int:
        """So many bytes are dealt with; how much room to tell the sender of now, perhaps none yet."""
        self._done += count
        if self._done < min(TOLD_AT, self._window // 4):
            return 0
        told, self._done = self._done, 0
        self._held -= told
        return told
