"""Amounts add up, and say what is missing."""

import pytest

from scheduling.errors import InvalidError
from scheduling.resources import ZERO, Amount, Request, total

NODE = Amount(cpus=16, memory_mb=1024, gpus=4)


def test_amounts_add_and_subtract_part_by_part():
    more = NODE + Amount(1, 2, 3)

    assert more == Amount(17, 1026, 7)
    assert more - NODE == Amount(1, 2, 3)
    assert Amount(32, 2048, 8) == NODE * 2


def test_the_total_of_nothing_is_zero():
    assert total([]) == ZERO
    assert total([NODE, NODE]) == NODE * 2


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (Amount(16, 1024, 4), {}),
        (Amount(17, 1024, 4), {"cpus": 1}),
        (Amount(16, 1030, 4), {"memory_mb": 6}),
        (Amount(16, 1024, 8), {"gpus": 4}),
        (Amount(20, 0, 5), {"gpus": 1, "cpus": 4}),
    ],
)
def test_an_amount_fits_exactly_when_nothing_is_missing(asked, missing):
    assert asked.shortfall_in(NODE) == missing
    assert asked.fits_in(NODE) == (not missing)


def test_a_request_over_several_nodes_asks_for_its_amount_on_each():
    request = Request(cpus=4, memory_mb=10, gpus=2, nodes=3)

    assert request.amount == Amount(4, 10, 2)
    assert request.total == Amount(12, 30, 6)


@pytest.mark.parametrize(("gpus", "hardware"), [(0, "cpu"), (1, "gpu")])
def test_a_request_with_gpus_wants_gpu_hardware(gpus, hardware):
    assert Request(gpus=gpus).hardware == hardware


def test_parts_of_gpus_count_beside_whole_ones():
    assert Amount(gpus=1, gpu_milli=600) + Amount(gpu_milli=600) == Amount(gpus=1, gpu_milli=1200)
    assert Amount(gpu_milli=460).fits_in(Amount(gpus=1))
    assert not Amount(gpus=2).fits_in(Amount(gpus=1, gpu_milli=999))
    assert Amount(gpu_milli=460).shortfall_in(Amount(gpu_milli=459)) == {"gpus": 1}
    assert Request(gpus=1, gpu_milli=460).amount == Amount(1, 0, 0, 460)


@pytest.mark.parametrize("parts", [{"gpus": 2, "gpu_milli": 500}, {"gpu_milli": 500}, {"gpus": 1, "gpu_milli": 0}])
def test_only_one_gpu_can_be_asked_for_in_part(parts):
    with pytest.raises(InvalidError, match="gpu_milli: Must be between 1 and 1000, and less than 1000 only of one GPU"):
        Request(**parts)
