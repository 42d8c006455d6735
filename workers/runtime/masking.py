"""Values that must not be read in a log are replaced in it, however the log is cut into pieces."""

import heapq
from collections.abc import Iterable

MASK = b"***"
SHORTEST = 6
"""What is shorter stands in every log by chance."""


class Masker:
    """Masks one stream of bytes, fed piece by piece: the leftmost value wins, of those that begin together the longest.

    What might be the beginning of a value is kept until it is known: `held`.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._words = sorted(_words(values), key=len, reverse=True)
        self._borders: dict[bytes, list[int]] = {}
        self.held = b""

    def feed(self, piece: bytes) -> tuple[bytes, int]:
        """What may be shown by now, masked, and of how many bytes of the stream that was made."""
        return self._show(self.held + piece, ended=False)

    def end(self) -> tuple[bytes, int]:
        """The rest: nothing follows, or nobody knows what."""
        return self._show(self.held, ended=True)

    def forget(self) -> None:
        """The stream goes on somewhere else."""
        self.held = b""

    def _show(self, data: bytes, *, ended: bool) -> tuple[bytes, int]:
        beginnings = [] if ended else self._beginnings(data)
        shown, at, cut = bytearray(), 0, len(data)
        for start, length in self._found(data):
            if (cut := _first(beginnings, at, start, len(data))) < len(data):
                break
            shown += data[at:start] + MASK
            at = start + length
        cut = _first(beginnings, at, len(data), len(data))
        shown += data[at:cut]
        self.held = data[cut:]
        return bytes(shown), cut

    def _found(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Where words stand, in order, the longest first of those that begin together; some that overlap are left out."""
        heads = [(start, -len(word), word) for word in self._words if (start := data.find(word)) >= 0]
        heapq.heapify(heads)
        at = 0
        while heads:
            start, negative, word = heads[0]
            if start >= at:
                yield start, -negative
                at = start - negative
            following = data.find(word, at)
            if following < 0:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following, negative, word))

    def _beginnings(self, data: bytes) -> list[int]:
        """Every place from which to the end of the data a word may have begun that goes on after it."""
        found = set[int]()
        for word in self._words:
            tail = data[-(len(word) - 1) :]
            # Most logs end with nothing of the kind, and to ask for a few bytes is quick.
            if word[:SHORTEST] not in tail:
                tail = tail[-(SHORTEST - 1) :]
            length = self._longest_beginning(word, tail)
            while length > 0:
                found.add(len(data) - length)
                length = self._border(word)[length - 1]
        return sorted(found)

    def _longest_beginning(self, word: bytes, tail: bytes) -> int:
        """How much of the word's beginning the tail ends with (Knuth, Morris and Pratt: linear, whatever a job prints)."""
        border, length = self._border(word), 0
        for byte in tail:
            while length and word[length] != byte:
                length = border[length - 1]
            if word[length] == byte:
                length += 1
        return length

    def _border(self, word: bytes) -> list[int]:
        """For each of its beginnings the longest shorter one with which that ends."""
        if word not in self._borders:
            border, length = [0] * len(word), 0
            for index in range(1, len(word)):
                while length and word[index] != word[length]:
                    length = border[length - 1]
                if word[index] == word[length]:
                    length += 1
                border[index] = length
            self._borders[word] = border
        return self._borders[word]


def _words(values: Iterable[str]) -> set[bytes]:
    """What is masked of these values: each as a whole, and each of its lines, without blanks around it."""
    parts = {part.strip() for value in values for part in (value, *value.splitlines())}
    encoded = {part.encode(errors="surrogateescape") for part in parts}
    return {word for word in encoded if len(word) >= SHORTEST}


def _first(beginnings: list[int], least: int, most: int, otherwise: int) -> int:
    """The first of them from `least` to `most`, both included."""
    return next((one for one in beginnings if least <= one <= most), otherwise)
