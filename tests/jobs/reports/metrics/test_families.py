"""Families of samples as text: what Prometheus' own client writes, to the letter."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily

from jobs.reports.metrics.families import counters, gauges, histogram, summary

NAME, TEXT = "trainyard_things", "What there is."
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['a"b', "c\\d", "e\nf", "{},="]
)
NUMBERS = st.floats() | st.integers(-(10**18), 10**18)
COUNTS = st.integers(0, 10**9).map(float)


class Alone:
    """One family, as the client has it."""

    def __init__(self, family):
        self._family = family

    def collect(self):
        return [self._family]


def by_the_client(family):
    return generate_latest(Alone(family)).decode()


@given(
    kinds=st.sampled_from([(gauges, GaugeMetricFamily), (counters, CounterMetricFamily)]),
    labels=st.permutations(["node", "gpu", "le"]).map(tuple),
    rows=st.lists(st.tuples(VALUES, VALUES, st.integers(0, 9), NUMBERS), max_size=5),
)
def test_gauges_and_counters_are_what_the_client_writes(kinds, labels, rows):
    ours, its = kinds
    family = its(NAME, TEXT, labels=labels)
    for *values, number in rows:
        family.add_metric([str(value) for value in values], float(number))
    assert ours("things", TEXT, labels, rows).as_text() == by_the_client(family)


@given(values=st.lists(VALUES, max_size=3, unique=True), counts=st.lists(COUNTS, min_size=2, max_size=2), total=NUMBERS)
def test_histograms_are_what_the_client_writes(values, counts, total):
    buckets = list(zip(("0.5", "+Inf"), counts, strict=True))
    family = HistogramMetricFamily(NAME, TEXT, labels=("hardware",))
    for value in values:
        family.add_metric([value], buckets, total)
    rows = [((value,), buckets, total) for value in values]
    assert histogram("things", TEXT, ("hardware",), rows).as_text() == by_the_client(family)


@given(counts=st.lists(COUNTS, min_size=2, max_size=2), total=NUMBERS)
def test_one_without_labels_is_too(counts, total):
    buckets = list(zip(("0.5", "+Inf"), counts, strict=True))
    family = HistogramMetricFamily(NAME, TEXT, buckets=buckets, sum_value=total)
    assert histogram("things", TEXT, (), [((), buckets, total)]).as_text() == by_the_client(family)


@given(count=COUNTS, total=NUMBERS)
def test_summaries_are_what_the_client_writes(count, total):
    family = SummaryMetricFamily(NAME, TEXT, count, total)
    assert summary("things", TEXT, count, total).as_text() == by_the_client(family)
