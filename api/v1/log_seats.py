"""The seats for following logs: each keeps a thread of this process, so there are few, and one user has only a part."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Self

from rest_framework.exceptions import APIException


class TooManyFollowers(APIException):
    status_code = 503
    default_detail = "Too many logs are being followed at the moment. Ask again soon, or read without follow."
    wait = 5


class Seats:
    """`total` of them, at most `each` for one user."""

    def __init__(self, total: int, each: int | None = None) -> None:
        self.total = total
        self.each = total if each is None else each
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def acquire(self, user_id: int) -> None:
        """Raises TooManyFollowers; it says whose streams are too many."""
        with self._lock:
            own = self._taken[user_id]
            if own >= self.each:
                words = (
                    f"You follow {own} logs here already, as many as one user may. Leave one, or read without follow."
                )
                raise TooManyFollowers(words)
            if self._taken.total() >= self.total:
                raise TooManyFollowers
            self._taken[user_id] += 1

    def release(self, user_id: int) -> None:
        with self._lock:
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]


class Seat:
    """Chunks of a stream that holds a seat, and gives it back however the stream ends."""

    def __init__(self, chunks: Iterator[str], seats: Seats, user_id: int) -> None:
        seats.acquire(user_id)
        self._chunks = chunks
        self._seats, self._user_id = seats, user_id
        self._taken = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        return next(self._chunks)

    def close(self) -> None:
        if self._taken:
            self._taken = False
            self._seats.release(self._user_id)
