"""Who should have had how much: worked examples, and what holds whatever anybody wants."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduling.sharing.fair_tree import Account
from scheduling.sharing.fairness import Demand, Share, jain_index, max_min, shares
from scheduling.snapshot import ProjectView

ADA, BOB, CY = Account("vision", "ada"), Account("vision", "bob"), Account("speech", "cy")
PROJECTS = (ProjectView("vision", weight=3), ProjectView("speech", weight=1))


def entitled(demands, projects=PROJECTS):
    return {account: share.entitled for account, share in shares(projects, demands).items()}


def test_who_wants_all_gets_by_weights():
    assert entitled({ADA: Demand(8, 100), CY: Demand(0, 100)}) == {ADA: 6, CY: 2}


def test_what_one_does_not_want_goes_to_the_others():
    found = shares(PROJECTS, {ADA: Demand(2, 0), CY: Demand(6, 4)})
    assert found[ADA] == Share(2, 0, nominal=6, entitled=2)
    assert found[CY] == Share(6, 4, nominal=2, entitled=6)
    assert (found[ADA].lent, found[CY].borrowed, found[CY].short, found[CY].above) == (4, 4, 0, 0)


def test_users_share_what_their_project_is_entitled_to():
    found = shares(PROJECTS, {ADA: Demand(7, 50), BOB: Demand(0, 1), CY: Demand(1, 50)})
    assert {account: share.entitled for account, share in found.items()} == {ADA: 5, BOB: 1, CY: 2}
    assert (found[ADA].above, found[BOB].short, found[CY].short) == (2, 1, 1)


def test_who_wants_nothing_is_not_there():
    assert entitled({ADA: Demand(4, 0), CY: Demand(0, 0)}) == {ADA: 4}
    assert entitled({}) == {}


def test_a_project_that_is_gone_stands_on_top_with_a_weight_of_one():
    assert entitled({ADA: Demand(8, 8), Account("gone", "dan"): Demand(0, 8)}) == {ADA: 6, Account("gone", "dan"): 2}


def test_who_has_no_weight_gets_what_is_left():
    assert max_min({"a": 1, "b": 0}, {"a": 3, "b": 9}, 10) == {"a": 3, "b": 7}
    assert max_min({"a": 1, "b": 0}, {"a": 30, "b": 9}, 10) == {"a": 10, "b": 0}


def test_jains_index():
    assert jain_index([1, 1, 1]) == 1
    assert jain_index([1, 0, 0, 0]) == 0.25
    assert jain_index([]) is None
    assert jain_index([0.0]) is None


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=8).filter(any))
@example([1e-162, 1e-162])
@example([1e300, 1e300, 1e300])
def test_jains_index_is_between_one_of_all_and_one_however_small_or_large_the_parts(parts):
    assert 1 / len(parts) <= jain_index(parts) <= 1


AMOUNTS = st.floats(0, 1e6).map(lambda value: round(value, 3))
DEMANDS = st.dictionaries(
    st.builds(Account, st.sampled_from(["org", "vision", "speech", "gone"]), st.sampled_from(["ada", "bob", "cy"])),
    st.builds(Demand, AMOUNTS, AMOUNTS),
)
TREES = st.tuples(st.floats(0, 100), st.floats(0, 100)).map(
    lambda weights: (
        ProjectView("org"),
        ProjectView("vision", parent="org", weight=weights[0]),
        ProjectView("speech", parent="org", weight=weights[1]),
    )
)


@given(TREES, DEMANDS)
def test_all_that_was_held_is_shared_out_and_to_nobody_more_than_wanted(projects, demands):
    found = shares(projects, demands)
    held = sum(one.received for one in demands.values())
    assert sum(share.entitled for share in found.values()) == pytest.approx(held, rel=1e-6, abs=1e-6)
    assert sum(share.nominal for share in found.values()) == pytest.approx(held if found else 0, rel=1e-6, abs=1e-6)
    assert all(share.entitled <= demands[account].wanted * (1 + 1e-9) for account, share in found.items())


@given(TREES, DEMANDS)
def test_what_some_are_short_of_others_have_above(projects, demands):
    found = shares(projects, demands).values()
    assert sum(one.short for one in found) == pytest.approx(sum(one.above for one in found), rel=1e-6, abs=1e-3)
