"""Memory comes back as it was asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling import memory_units


@given(st.integers(0, 10**8))
def test_gigabytes_with_up_to_three_digits_come_back_as_they_were_asked_for(thousandths):
    asked = thousandths / 1000

    assert memory_units.gigabytes(memory_units.megabytes(asked)) == asked


@given(st.integers(0, 10**6))
def test_memory_of_a_gpu_comes_back_as_it_was_asked_for(hundredths):
    asked = hundredths / 100

    assert memory_units.gpu_gigabytes(memory_units.gpu_megabytes(asked)) == asked


@pytest.mark.parametrize(("sold_gb", "reported_mb"), [(80, 81_559), (40, 40_960), (24, 23_028), (16, 15_360)])
def test_a_card_has_the_memory_that_it_is_sold_with(sold_gb, reported_mb):
    assert memory_units.gpu_megabytes(sold_gb) <= reported_mb


@given(st.integers(200, 10**6))
def test_a_card_has_what_is_said_to_be_the_most_that_there_is(reported_mb):
    assert memory_units.gpu_megabytes(memory_units.gpu_gigabytes_there(reported_mb)) <= reported_mb


@given(st.integers(0, 10**9))
def test_every_amount_has_a_number(megabytes):
    assert memory_units.megabytes(memory_units.gigabytes(megabytes)) == megabytes
