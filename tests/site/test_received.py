"""What came in is read as gunicorn reads a socket, whatever is put back meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler_site.incoming import Received

PIECES = st.binary(max_size=40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.none() | st.integers(0, 30)),
        st.tuples(st.just("back"), st.integers(0, 30)),
        st.tuples(st.just("unread"), PIECES),
        st.tuples(st.just("take"), st.none()),
    )
)


class Socket:
    def __init__(self, content):
        self.left = content

    def recv(self, size):
        piece, self.left = self.left[: min(size, 7)], self.left[min(size, 7) :]
        return piece


@given(PIECES, PIECES, STEPS)
def test_bytes_come_in_their_order_whatever_is_put_back(received, following, steps):
    sock = Socket(following)
    unreader, expected, last = Received(sock), received + following, b""
    unreader.unread(bytearray(received))
    for kind, value in steps:
        if kind == "read":
            last = unreader.read(value)
            assert last == expected[: len(last)]
            assert len(last) == min(value, len(expected)) if value is not None else bool(last) == bool(expected)
            expected = expected[len(last) :]
        elif kind == "take":
            taken, last = unreader.take_buffered(), b""
            assert taken + sock.left == expected
            expected = sock.left
        else:
            data = last[max(0, len(last) - value) :] if kind == "back" else value
            unreader.unread(data)
            expected, last = data + expected, last[: len(last) - len(data)] if kind == "back" else b""
    assert unreader.take_buffered() + sock.left == expected


def test_a_long_body_is_not_copied_for_each_piece_of_it():
    body = bytearray(64)
    unreader = Received(Socket(b""))
    unreader.unread(body)
    head = unreader.read(10)
    unreader.unread(head[4:])
    assert unreader._held.obj is body
    assert unreader.read(60) == bytes(60)
