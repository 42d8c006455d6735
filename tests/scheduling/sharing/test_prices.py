"""What holding a part of a node costs: the most specific price, split where prices change, exact to the last digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.lifecycle import EndReason
from scheduling.sharing.prices import Holding, Price, Target, cost, hourly, is_refunded, parts, rounded, terms_of

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HELD = Holding(
    cpus=8, memory_mb=65_536, gpus={"NVIDIA H100 80GB HBM3": 2}, node="n1", node_type="p5", capacity="spot",
    node_cpus=32, node_memory_mb=262_144, node_gpus=4,
)  # fmt: skip


def price(target, per_hour, name="", *, since=NOON - HOUR, until=None, capacity=""):
    return Price(Target(target), Decimal(per_hour), since, until, name, capacity)


PARTS = (price("gpu_model", "2.5", "H100"), price("cpu", "0.04"), price("memory_gb", "0.005"))


def test_gpus_cpus_and_memory_are_added_up():
    assert hourly(HELD, PARTS) == Fraction("2.5") * 2 + Fraction("0.04") * 8 + Fraction("0.005") * 64


def test_the_most_specific_price_counts_alone():
    by_type, by_node = price("node_type", "20", "p5"), price("node", "12", "n1")
    assert hourly(HELD, [*PARTS, by_type]) == 10  # half of its GPUs: half of the node
    assert hourly(HELD, [*PARTS, by_type, by_node]) == 6
    assert hourly(HELD, [*PARTS, price("node_type", "20", "other")]) == hourly(HELD, PARTS)


def test_a_price_for_the_terms_of_the_node_goes_before_one_for_all():
    spot, reserved, both = (price("node_type", amount, "p5", capacity=terms) for amount, terms in
                            (("8", "spot"), ("30", "reserved"), ("20", "")))  # fmt: skip
    assert hourly(HELD, [both, spot, reserved]) == 4
    assert hourly(HELD, [both, reserved]) == 10
    assert hourly(HELD, [reserved]) is None


def test_of_the_names_that_mean_a_gpu_the_longest_counts():
    general, form, whole = (
        price("gpu_model", amount, name) for amount, name in (("1", ""), ("2", "H100"), ("3", "H100-SXM"))
    )
    held = Holding(gpus={"NVIDIA H100 80GB HBM3": 1})
    assert [hourly(held, known) for known in ([general], [general, form], [form, whole, general])] == [1, 2, 3]


def test_what_has_no_price_costs_nothing_and_says_so():
    assert hourly(Holding(cpus=4), [price("gpu_model", "2", "H100")]) is None
    assert cost(Holding(cpus=4), NOON, NOON + HOUR, []) == 0


def test_a_price_that_changes_splits_the_interval():
    change = NOON + HOUR / 4
    prices = [price("cpu", "1", until=change), price("cpu", "2", since=change)]
    found = parts(Holding(cpus=1), NOON, NOON + HOUR, prices)
    assert [(part.since, part.until, part.cost) for part in found] == [
        (NOON, change, Fraction(1, 4)),
        (change, NOON + HOUR, Fraction(3, 2)),
    ]


def test_what_ran_before_there_was_a_price_was_free():
    assert cost(Holding(cpus=1), NOON, NOON + HOUR, [price("cpu", "1", since=NOON + HOUR / 2)]) == Fraction(1, 2)


@pytest.mark.parametrize(
    ("reason", "charged", "refunded"),
    [
        (EndReason.NODE_LOST, True, True),
        (EndReason.LOST_LEASE, True, True),
        (EndReason.GPU_ERROR, True, True),
        (EndReason.START_FAILED, False, True),
        (EndReason.START_FAILED, True, False),
        (EndReason.EXIT_CODE, True, False),
        (EndReason.PREEMPTED, True, False),
        (EndReason.COMPLETED, True, False),
    ],
)
def test_what_the_platform_failed_is_given_back(reason, charged, refunded):
    assert is_refunded(reason, charged=charged) is refunded


def test_a_nodes_labels_say_its_type_and_its_terms():
    assert terms_of({"node-type": "p5", "capacity": "spot"}) == ("p5", "spot")
    assert terms_of({"node.kubernetes.io/instance-type": "m5", "capacity": "on-demand"}) == ("m5", "")


amounts = st.decimals("0", "1000", places=6)
moments = st.integers(0, 10**12).map(lambda micros: NOON + timedelta(microseconds=micros))
price_lists = st.lists(
    st.builds(
        lambda target, amount, begin, length: price(target, amount, since=begin, until=begin + timedelta(hours=length)),
        st.sampled_from(["cpu", "memory_gb", "gpu_model"]),
        amounts,
        moments,
        st.integers(1, 500),
    ),
    max_size=6,
)
holdings = st.builds(
    lambda cpus, memory, gpus: Holding(cpus=cpus, memory_mb=memory, gpus={"NVIDIA H100": gpus}),
    st.integers(1, 256), st.integers(0, 2**21), st.integers(0, 8),
)  # fmt: skip


@given(holdings, price_lists, st.lists(moments, min_size=2, max_size=8))
def test_an_interval_costs_what_its_parts_cost(holding, prices, cuts):
    ordered = sorted(cuts)
    pieces = [cost(holding, one, other, prices) for one, other in pairwise(ordered)]
    assert cost(holding, ordered[0], ordered[-1], prices) == sum(pieces)


@given(st.fractions(-(10**9), 10**9))
def test_an_amount_is_rounded_once_by_less_than_a_millionth(amount):
    written = rounded(amount)
    assert written.as_tuple().exponent == -6
    assert abs(Fraction(written) - amount) <= Fraction(1, 2_000_000)
