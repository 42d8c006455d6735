"""What a job is expected to cost: by the dearest node that could take it, and by what is known of its run time."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from jobs.submission import pricing
from scheduling.resources import Request
from scheduling.sharing.prices import Price, Target
from tests.scheduling.builders import cpu_node, gpu_node

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CPU = Price(Target.CPU, Decimal("0.10"), LONG_AGO)
H100 = Price(Target.GPU_MODEL, Decimal(3), LONG_AGO, name="H100")


def node_type(name, amount):
    return Price(Target.NODE_TYPE, Decimal(amount), LONG_AGO, name=name)


def nodes():
    return [
        cpu_node("a", cpus=8, labels={"node-type": "cheap"}),
        cpu_node("b", cpus=8, labels={"node-type": "dear"}),
        cpu_node("c", cpus=2, labels={"node-type": "small"}),
    ]


def test_the_dearest_node_that_could_take_it_counts():
    prices = [node_type("cheap", 4), node_type("dear", 8), node_type("small", 100)]
    assert pricing.dearest(Request(cpus=4), nodes(), prices) == 4
    assert pricing.dearest(Request(cpus=4, labels=(("node-type", "cheap"),)), nodes(), prices) == 2


def test_a_gang_pays_for_each_of_its_nodes():
    assert pricing.dearest(Request(cpus=4, nodes=2), nodes(), [CPU]) == Fraction("0.8")


def test_a_job_for_which_there_is_no_node_yet_pays_for_what_it_asks():
    assert pricing.dearest(Request(cpus=4, gpus=2, gpu_model="H100"), [], [CPU, H100]) == Fraction("6.4")


def test_what_has_no_price_has_no_estimate():
    assert pricing.dearest(Request(cpus=4), [gpu_node()], [H100]) is None


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ((1800.0, 7200, 10_800), ("1.0000", "predicted")),
        ((None, 7200, 10_800), ("4.0000", "estimated")),
        ((None, None, 10_800), ("6.0000", "limit")),
        ((36_000.0, None, 10_800), ("6.0000", "predicted")),
        ((None, None, None), ("2.0000", "hour")),
    ],
)
def test_what_is_known_of_its_run_time_best_counts_within_its_limit(known, told):
    found = pricing._estimate(Fraction(2), *known)
    assert (str(found.cost), found.basis) == told
