"""Room: never more than a window on its way, and whoever is read goes on for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.frames import BadFrameError
from streams.room import WINDOW, Receiving, Sending


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=60), st.integers(8, 300))
def test_what_is_on_its_way_fits_the_window_and_nobody_waits_for_ever(steps, window):
    sending, receiving = Sending(window), Receiving(window)
    held = 0  # by the reader, not dealt with
    for wanted, dealt in steps:
        sent = min(wanted, sending.room)
        sending.take(sent)
        receiving.received(sent)
        held += sent
        assert held <= window
        done = min(dealt, held)
        held -= done
        if told := receiving.done(done):
            sending.grant(told)
    if told := receiving.done(held):
        sending.grant(told)
    assert sending.room >= window - max(1, window // 4)  # all is dealt with: there is room for most of it


def test_who_sends_more_than_there_is_room_for_is_refused():
    receiving = Receiving()
    receiving.received(WINDOW)
    with pytest.raises(BadFrameError):
        receiving.received(1)
    sending = Sending()
    with pytest.raises(BadFrameError):
        sending.grant(1)
    with pytest.raises(ValueError, match="room"):
        sending.take(WINDOW + 1)
