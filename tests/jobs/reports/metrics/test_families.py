"""Families of samples as text: what Prometheus' own client writes, to the letter."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from jobs.reports.metrics.families import labelled

VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['a"b', "c\\d", "e\nf", "{},="]
)
NUMBERS = st.floats() | st.integers(-(10**18), 10**18)


class Family:
    """As the client has it, sample by sample."""

    def __init__(self, kind, labels, rows):
        self._family = kind("trainyard_things", "What there is.", labels=labels)
        for *values, number in rows:
            self._family.add_metric([str(value) for value in values], float(number))

    def collect(self):
        return [self._family]


@given(
    kind=st.sampled_from([GaugeMetricFamily, CounterMetricFamily]),
    labels=st.permutations(["node", "gpu", "le"]).map(tuple),
    rows=st.lists(st.tuples(VALUES, VALUES, st.integers(0, 9), NUMBERS), max_size=5),
)
def test_it_is_what_the_client_writes(kind, labels, rows):
    written = labelled(kind, "things", "What there is.", labels, rows).as_text()
    assert written.encode() == generate_latest(Family(kind, labels, rows))
