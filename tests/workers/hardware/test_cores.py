"""Cores: each command has its own, neighbours where it can be, and none at all where nobody knows whose they are."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.hardware import cores
from workers.hardware.cores import Claim, Cores, of_this_machine, place_of

TWO_SOCKETS = [(cpu % 2, cpu // 2, cpu) for cpu in range(8)]  # numbered across sockets, as many machines do


def test_a_command_gets_neighbours_on_one_socket():
    assert Cores(TWO_SOCKETS).allocate(3) == (0, 2, 4)


def test_the_fuller_socket_is_filled_up_first():
    given_out = Cores(TWO_SOCKETS)
    given_out.allocate(3)
    assert given_out.allocate(1) == (6,)
    assert given_out.allocate(2) == (1, 3)


def test_a_command_as_wide_as_the_machine_gets_both_sockets():
    assert Cores(TWO_SOCKETS).allocate(8) == tuple(range(8))


def test_where_there_are_not_enough_none_is_given():
    given_out = Cores(TWO_SOCKETS)
    given_out.allocate(6)
    assert given_out.allocate(3) == ()
    assert len(given_out.allocate(2)) == 2


def test_cores_of_a_command_that_an_earlier_agent_started_stay_its_own():
    given_out = Cores(TWO_SOCKETS)
    given_out.keep((0, 1, 2, 3, 4, 5))
    assert set(given_out.allocate(2)) == {6, 7}


def test_cores_that_are_not_ours_are_not_taken_in():
    given_out = Cores([(0, 0, 0)])
    given_out.release((0, 99))
    assert (given_out.allocate(1), given_out.allocate(1)) == ((0,), ())


@given(st.lists(st.integers(1, 5), max_size=30), st.randoms(use_true_random=False))
def test_no_core_is_ever_given_twice_and_none_gets_lost(wanted, random):
    given_out = Cores(TWO_SOCKETS)
    held: list[tuple[int, ...]] = []
    for count in wanted:
        if held and random.random() < 0.5:
            given_out.release(held.pop(random.randrange(len(held))))
        got = given_out.allocate(count)
        assert len(got) in (0, count)
        held.append(got)
    taken = [core for one in held for core in one]
    assert len(taken) == len(set(taken))
    for one in held:
        given_out.release(one)
    assert given_out.allocate(8) == tuple(range(8))


@pytest.fixture
def _own_address(monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "CLAIMED", f"\0{tmp_path.name}-".encode()[-80:] + b"%d")


@pytest.mark.usefixtures("_own_address")
def test_an_agent_that_offers_the_whole_machine_gives_out_its_cores():
    mine = os.sched_getaffinity(0)
    assert set(of_this_machine(len(mine), Claim()).allocate(len(mine))) == mine


@pytest.mark.usefixtures("_own_address")
@pytest.mark.parametrize("more", [1, -1])
def test_an_agent_that_offers_more_or_less_gives_out_none(more):
    assert of_this_machine(len(os.sched_getaffinity(0)) + more, Claim()).allocate(1) == ()


@pytest.mark.usefixtures("_own_address")
def test_the_second_agent_of_a_machine_gives_out_none_until_the_first_is_gone():
    every = len(os.sched_getaffinity(0))
    first, second = Claim(), Claim()
    assert of_this_machine(every, first).allocate(1)
    assert of_this_machine(every, second).allocate(1) == ()
    first.close()
    assert of_this_machine(every, Claim()).allocate(1)


def test_a_machine_that_does_not_tell_where_its_cores_sit_has_one_socket(tmp_path):
    (tmp_path / "cpu3" / "topology").mkdir(parents=True)
    (tmp_path / "cpu3" / "topology" / "core_id").write_text("1\n")
    assert [place_of(3, tmp_path), place_of(4, tmp_path)] == [(0, 1, 3), (0, 0, 4)]


@pytest.mark.usefixtures("_own_address")
def test_agents_that_share_no_core_both_give_out_theirs():
    first, second, third = Claim(), Claim(), Claim()
    assert first.of([0, 1])
    assert second.of([2, 3])
    assert not third.of([4, 1])
    assert third.of([4, 5])
    for claim in (first, second, third):
        claim.close()
