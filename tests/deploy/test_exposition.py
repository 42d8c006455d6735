"""promtool reads /metrics."""

import pytest
from django.core.cache import cache

from tests.api.v1.test_prometheus import scraped, started
from tests.deploy import prometheus

OURS = "for-the-scraper"
KEPT = {
    # Older than this test, and names stay. They are quantiles of the last thousand starts, not since a beginning as a summary's are.
    "trainyard_predicted_start_error_seconds": 'non-summary metrics should not have "quantile" label',
}


@pytest.mark.django_db
def test_promtool_finds_no_fault_with_the_names_beside_those_that_are_kept(settings):
    settings.METRICS_TOKEN = OURS
    cache.clear()
    started(10)

    linted = prometheus.run("promtool", "check", "metrics", text=scraped(OURS).content.decode())

    assert set(linted.stderr.splitlines()) == {f"{name} {fault}" for name, fault in KEPT.items()}
