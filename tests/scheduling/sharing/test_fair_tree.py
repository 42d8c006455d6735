"""Who has had less than their share, worked out by hand."""

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.sharing.fair_tree import Account, decayed, level_fair_share, ranks
from scheduling.snapshot import ProjectView, UsageView

PROJECTS = (
    ProjectView("acme"),
    ProjectView("vision", "acme", weight=3),
    ProjectView("speech", "acme", weight=1),
)
ANN, BOB, CAT = Account("vision", "ann"), Account("vision", "bob"), Account("speech", "cat")


def used(**by_name):
    return tuple(UsageView(account.project, account.owner, by_name[account.owner]) for account in (ANN, BOB, CAT))


def test_the_level_fair_share_is_the_share_over_the_usage_among_siblings():
    assert level_fair_share(3, 4, 50, 100) == 1.5
    assert level_fair_share(1, 4, 0, 100) == float("inf")
    assert level_fair_share(0, 4, 50, 100) == 0


def test_all_users_of_the_needier_project_come_first_however_much_one_of_them_has_used():
    """Vision has three quarters of the weight and half of the usage: 1.5 against 0.5."""
    places = ranks(PROJECTS, used(ann=50, bob=0, cat=50), [ANN, BOB, CAT])

    assert (places[BOB], places[ANN], places[CAT]) == (0, 1, 2)


def test_a_project_that_used_more_than_its_weight_comes_last():
    places = ranks(PROJECTS, used(ann=80, bob=10, cat=10), [ANN, BOB, CAT])

    assert (places[CAT], places[BOB], places[ANN]) == (0, 1, 2)


def test_users_with_equal_claims_share_a_place():
    places = ranks(PROJECTS, used(ann=5, bob=5, cat=90), [ANN, BOB, CAT])

    assert places[ANN] == places[BOB] == 0
    assert places[CAT] == 2


def test_usage_counts_half_after_one_half_life():
    assert decayed(80, 7, 7) == 40
    assert decayed(80, 21, 7) == 10
    assert decayed(80, 1, 0) == 0


@settings(max_examples=40)
@given(st.lists(st.integers(0, 100), min_size=3, max_size=3), st.integers(1, 100))
def test_whoever_uses_more_never_moves_forward(amounts, more):
    before = ranks(PROJECTS, used(ann=amounts[0], bob=amounts[1], cat=amounts[2]), [ANN, BOB, CAT])
    after = ranks(PROJECTS, used(ann=amounts[0], bob=amounts[1], cat=amounts[2] + more), [ANN, BOB, CAT])

    assert after[CAT] >= before[CAT]
    assert set(after) == {ANN, BOB, CAT}
