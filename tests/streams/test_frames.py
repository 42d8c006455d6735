"""Frames: whatever the pieces in which their bytes come, they are the same; what is none is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import frames
from streams.frames import LONGEST, BadFrameError, Decoder, Frame, encode

FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 2**16 - 1), st.binary(max_size=300))


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_frames_come_out_as_they_went_in_however_they_are_cut(sent, cuts):
    data = b"".join(map(encode, sent))
    decoder, at, turn = Decoder(), 0, 0
    found: list[Frame] = []
    while at < len(data):
        step = cuts[turn % len(cuts)]
        found += decoder.feed(data[at : at + step])
        at, turn = at + step, turn + 1
    assert found == sent


@given(st.binary(max_size=2000))
def test_noise_is_frames_or_refused_and_never_kept_beyond_one(noise):
    decoder = Decoder()
    with suppress(BadFrameError):
        assert all(len(frame.content) <= LONGEST for frame in decoder.feed(noise))


def test_the_longest_content_fits_and_no_longer_one():
    [found] = Decoder().feed(encode(Frame(1, 2, bytes(LONGEST))))
    assert len(found.content) == LONGEST
    with pytest.raises(ValueError, match="more than a frame holds"):
        encode(Frame(1, 2, bytes(LONGEST + 1)))
    with pytest.raises(BadFrameError):
        list(Decoder().feed(b"\x01\x00\x00\xff\xff\xff\xff"))


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_terminal_always_has_a_size(rows, columns):
    told = frames.rows_and_columns(frames.size(rows, columns).content)
    assert told == (min(rows, 65535) or 24, min(columns, 65535) or 80)


@pytest.mark.parametrize("content", [b"", b"abc", bytes(9)])
def test_numbers_and_sizes_of_another_length_are_refused(content):
    with pytest.raises(BadFrameError):
        frames.number(content)
    with pytest.raises(BadFrameError):
        frames.rows_and_columns(content)
