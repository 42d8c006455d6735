"""Amounts add up, and say what is missing."""

import pytest

from scheduling.errors import InvalidError
from scheduling.resources import ZERO, Request, Resources, total

NODE = Resources(cpus=16, memory_mb=1024, gpus=4)


def test_amounts_add_and_subtract_part_by_part():
    more = NODE + Resources(1, 2, 3)

    assert more == Resources(17, 1026, 7)
    assert more - NODE == Resources(1, 2, 3)
    assert Resources(32, 2048, 8) == NODE * 2


def test_the_total_of_nothing_is_zero():
    assert total([]) == ZERO
    assert total([NODE, NODE]) == NODE * 2


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (Resources(16, 1024, 4), {}),
        (Resources(17, 1024, 4), {"cpus": 1}),
        (Resources(16, 1030, 4), {"memory_mb": 6}),
        (Resources(16, 1024, 8), {"gpus": 4}),
        (Resources(20, 0, 5), {"gpus": 1, "cpus": 4}),
    ],
)
def test_an_amount_fits_exactly_when_nothing_is_missing(asked, missing):
    assert asked.shortfall_in(NODE) == missing
    assert asked.fits_in(NODE) == (not missing)


def test_a_request_over_several_nodes_asks_for_its_amount_on_each():
    request = Request(cpus=4, memory_mb=10, gpus=2, nodes=3)

    assert request.amount == Resources(4, 10, 2)
    assert request.total == Resources(12, 30, 6)


@pytest.mark.parametrize(("gpus", "hardware"), [(0, "cpu"), (1, "gpu")])
def test_a_request_with_gpus_wants_gpu_hardware(gpus, hardware):
    assert Request(gpus=gpus).hardware == hardware


def test_parts_of_gpus_count_beside_whole_ones():
    assert Resources(gpus=1, gpu_milli=600) + Resources(gpu_milli=600) == Resources(gpus=1, gpu_milli=1200)
    assert Resources(gpu_milli=460).fits_in(Resources(gpus=1))
    assert not Resources(gpus=2).fits_in(Resources(gpus=1, gpu_milli=999))
    assert Resources(gpu_milli=460).shortfall_in(Resources(gpu_milli=459)) == {"gpus": 1}
    assert Request(gpus=1, gpu_milli=460).amount == Resources(1, 0, 0, 460)


@pytest.mark.parametrize("parts", [{"gpus": 2, "gpu_milli": 500}, {"gpu_milli": 500}, {"gpus": 1, "gpu_milli": 0}])
def test_only_one_gpu_can_be_asked_for_in_part(parts):
    with pytest.raises(InvalidError, match="gpu_milli: Must be between 1 and 1000, and less than 1000 only of one GPU"):
        Request(**parts)
