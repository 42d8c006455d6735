"""The ladder of jobs whose GPUs idle: rung by rung, each after its time, and nobody without a warning."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.idle_gpus import (
    LEAVING,
    OFF,
    IdleJob,
    Ladder,
    Rung,
    faults,
    following,
    freed_seconds,
    next_rung,
    stricter,
)

MINUTE = 60
FULL = Ladder(warn_minutes=10, suggest_minutes=20, requeue_minutes=60, stop_minutes=120, start_minutes=5)
minutes = st.none() | st.integers(1, 300)


@st.composite
def ladders(draw) -> Ladder:
    """Any rule that may be set."""
    times = sorted(draw(st.sets(st.integers(1, 300), min_size=4, max_size=4)))
    kept = draw(st.lists(st.booleans(), min_size=4, max_size=4))
    found = [time if keep else None for time, keep in zip(times, kept, strict=True)]
    if found[0] is None and (found[2] or found[3]):
        found[0] = times[0]
    warn, suggest, requeue, stop = found
    requeues, start = draw(st.integers(1, 3)), draw(st.integers(0, 30))
    return Ladder(warn, suggest, requeue, stop, max_requeues=requeues, start_minutes=start)


def idle(minutes: float, *, ran: float = 10_000, **fields) -> IdleJob:
    return IdleJob(minutes * MINUTE, ran * MINUTE, **{"checkpointable": True} | fields)


def ago(**rungs: float) -> dict[Rung, float]:
    return {Rung(rung): minutes * MINUTE for rung, minutes in rungs.items()}


@pytest.mark.parametrize(
    ("minutes", "taken", "rung"),
    [
        (9.9, {}, None),
        (10, {}, Rung.WARN),
        (15, ago(warn=5), None),
        (20, ago(warn=10), Rung.SUGGEST),
        (60, ago(warn=50, suggest=40), Rung.REQUEUE),
        (500, ago(warn=400, suggest=300, requeue=200), Rung.STOP),
    ],
)
def test_rungs_come_one_by_one_each_after_its_time(minutes, taken, rung):
    assert next_rung(FULL, idle(minutes, taken=taken)) == rung


def test_without_a_rule_nothing_happens():
    assert next_rung(OFF, idle(100_000)) is None


def test_the_first_minutes_of_an_attempt_do_not_count():
    assert next_rung(FULL, idle(14, ran=14)) is None
    assert next_rung(FULL, idle(15, ran=15)) == Rung.WARN


def test_who_cannot_save_or_was_requeued_before_is_stopped_instead():
    climbed = ago(warn=120, suggest=110)
    assert next_rung(FULL, idle(130, taken=climbed, checkpointable=False)) == Rung.STOP
    assert next_rung(FULL, idle(130, taken=climbed, requeued=1)) == Rung.STOP
    kept = Ladder(warn_minutes=10, requeue_minutes=60)
    assert next_rung(kept, idle(500, taken=ago(warn=400), requeued=1)) is None


def test_who_is_warned_late_has_the_time_between_the_rungs_all_the_same():
    assert next_rung(FULL, idle(10_000)) == Rung.WARN
    assert next_rung(FULL, idle(10_000, taken=ago(warn=9))) is None


def test_it_is_told_what_follows():
    assert following(FULL, idle(10), Rung.WARN) == (Rung.REQUEUE, 60)
    assert following(FULL, idle(10, checkpointable=False), Rung.SUGGEST) == (Rung.STOP, 120)
    assert following(Ladder(warn_minutes=1), idle(10), Rung.WARN) is None


def test_of_two_rules_each_rung_comes_at_the_earlier_of_its_times():
    queue = Ladder(warn_minutes=5, stop_minutes=50, requeue_priority=0, start_minutes=1)
    both = stricter(FULL, queue)
    assert both == Ladder(5, 20, 60, 50, requeue_priority=0, start_minutes=1)
    assert stricter(OFF, FULL) == stricter(FULL, OFF) == FULL
    # To requeue it after it was stopped would be too late.
    assert next_rung(both, idle(70, taken=ago(warn=65, suggest=50))) == Rung.STOP


def test_of_two_rules_words_come_before_anybody_leaves_or_not_at_all():
    words, ends = Ladder(suggest_minutes=2), Ladder(warn_minutes=4, stop_minutes=20)
    both = stricter(words, ends)
    assert next_rung(both, idle(4)) == Rung.WARN
    assert next_rung(both, idle(4.1, taken=ago(warn=0.1))) == Rung.SUGGEST
    late = stricter(Ladder(suggest_minutes=50), ends)
    assert next_rung(late, idle(20, taken=ago(warn=16))) == Rung.STOP


@given(ladders(), ladders())
def test_the_stricter_of_two_is_never_later_than_either(one, other):
    both = stricter(one, other)
    for rung in Rung:
        earliest = min((time for rule in (one, other) if (time := rule.minutes(rung)) is not None), default=None)
        assert both.minutes(rung) == earliest


@given(ladders(), ladders(), st.booleans(), st.integers(0, 4))
def test_whoever_idles_for_ever_climbs_each_rung_once_in_order_and_is_warned_first(one, other, saves, requeued):
    ladder, climbed = stricter(one, other), []
    at: dict[Rung, int] = {}
    for now in range(1_000):
        taken = {rung: (now - then) * MINUTE for rung, then in at.items()}
        rung = next_rung(ladder, idle(now, ran=now, checkpointable=saves, requeued=requeued, taken=taken))
        if rung is not None:
            at[rung] = now
            climbed.append(rung)
    assert climbed == sorted(set(climbed), key=list(Rung).index)
    if LEAVING & set(climbed):
        assert climbed[0] == Rung.WARN
    if not saves or requeued >= ladder.max_requeues:
        assert Rung.REQUEUE not in climbed
    if ladder.least_minutes < inf and ladder.stop_minutes is not None:
        assert climbed[-1] == Rung.STOP


@given(st.builds(Ladder, minutes, minutes, minutes, minutes))
def test_a_rule_is_refused_just_when_its_rungs_are_out_of_order_or_nobody_is_warned(ladder):
    given_ = [time for rung in Rung if (time := ladder.minutes(rung)) is not None]
    leaves = ladder.requeue_minutes is not None or ladder.stop_minutes is not None
    right = given_ == sorted(set(given_)) and (ladder.warn_minutes is not None or not leaves)
    assert (not faults(ladder)) == right


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Ladder(warn_minutes=0), "warn_minutes"),
        (Ladder(warn_minutes=10, suggest_minutes=10), "suggest_minutes"),
        (Ladder(stop_minutes=10), "warn_minutes"),
        (Ladder(requeue_priority=101), "requeue_priority"),
        (Ladder(max_requeues=0), "max_requeues"),
        (Ladder(start_minutes=-1), "start_minutes"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(wrong, field):
    assert [one.field for one in faults(wrong)] == [field]


def test_what_is_freed_is_what_was_left_to_the_first_end_that_it_has_not_outlived():
    assert freed_seconds(100, (90, None, 250)) == 150
    assert freed_seconds(100, (130, 120, 250)) == 30
    assert freed_seconds(100, (None, None, None)) == freed_seconds(100, (50, None, 60)) == 0
