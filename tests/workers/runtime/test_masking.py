"""Values of secrets are masked, wherever the log is cut."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.masking import MASK, Masker

LETTERS = st.text("ab", min_size=1, max_size=4)
VALUES = st.lists(st.text("ab\n", min_size=6, max_size=14), min_size=1, max_size=4)
STREAMS = st.lists(st.one_of(LETTERS, st.just("\n")), max_size=30).map("".join)


def masked(values, pieces):
    masker = Masker(values)
    parts = [masker.feed(piece) for piece in pieces] + [masker.end()]
    assert sum(read for _, read in parts) == sum(map(len, pieces))
    assert masker.held == b""
    return b"".join(shown for shown, _ in parts)


@given(VALUES, STREAMS, st.data())
def test_any_cutting_gives_what_the_whole_gives(values, text, data):
    text += data.draw(st.sampled_from([*values, ""])) + data.draw(LETTERS)
    whole = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert masked(values, pieces) == masked(values, [whole])


@given(VALUES, STREAMS)
def test_no_value_is_left_in_what_is_shown(values, text):
    whole = (text + values[0] + text).encode()
    shown = masked(values, [whole])
    for piece in shown.split(MASK):
        assert all(value.strip().encode() not in piece for value in values if len(value.strip()) >= 6)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_a_value_and_each_of_its_lines(size):
    text = b"key: first-line\nsecond line\nand second line, token=hunter22!\n"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shown = masked(["first-line\nsecond line", "hunter22", "short"], pieces)
    assert shown == b"key: ***\nand ***, token=***!\n"


def test_what_cannot_be_a_beginning_is_shown_at_once():
    masker = Masker(["hunter22"])
    assert masker.feed(b"loss 0.5\n") == (b"loss 0.5\n", 9)
    assert masker.feed(b"pass hunt") == (b"pass ", 5)
    assert masker.held == b"hunt"
    assert masker.feed(b"ing\n") == (b"hunting\n", 8)


def test_the_longer_of_two_that_begin_together():
    assert masked(["abcdef", "abcdefgh"], [b"abcdef", b"gh abcdefg"]) == b"*** ***g"


def test_what_a_job_prints_to_be_slow_is_masked_in_time():
    values = ["a" * 60_000 + str(number) for number in range(5)]
    began = time.monotonic()
    masked(values, [b"a" * 256 * 1024] * 2)
    assert time.monotonic() - began < 10
