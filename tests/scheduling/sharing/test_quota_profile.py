"""What will be free under one limit: the same whether starts are counted at once or when somebody asks."""

import hypothesis.strategies as st
from hypothesis import given

from scheduling.nodes.profile import FOREVER
from scheduling.sharing.quota_profile import Count, QuotaProfile

NOW = 100.0
counts = st.builds(Count, *(st.integers(0, 4) for _ in range(4)))
ends = st.one_of(st.integers(101, 105).map(float), st.just(FOREVER))
FREE = Count(8, 8, FOREVER, 6)


@given(running=st.lists(st.tuples(ends, counts), max_size=4), steps=st.lists(st.tuples(ends, counts), max_size=8))
def test_jobs_that_start_are_counted_when_somebody_asks(running, steps):
    lazy, strict = (QuotaProfile(FREE, NOW, [one for one in running if one[0] < FOREVER]) for _ in range(2))
    for number, (end, count) in enumerate(steps):
        lazy.started.append((end, count))
        strict.allocate(NOW, end, count)
        if number % 3 == 0:
            assert lazy.allows(count, 2.0, NOW) == strict.allows(count, 2.0, NOW)
    for _, count in steps:
        assert lazy.earliest(count, 2.0, NOW) == strict.earliest(count, 2.0, NOW)
        assert lazy.never_allows(count) == (strict.earliest(count, 1.0, NOW) == FOREVER)


def test_what_is_not_free_even_after_all_ends_is_never_allowed():
    profile = QuotaProfile(Count(2, 8, 8, 8), NOW, [(NOW + 5, Count(1, 0, 0, 1))])

    assert not profile.never_allows(Count(3, 0, 0, 1))
    assert profile.never_allows(Count(4, 0, 0, 1))
