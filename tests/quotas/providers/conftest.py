"""Providers on the real systems: an API server of Kubernetes, and a Slurm of each release."""

from collections.abc import Iterator

import pytest

from quotas.providers import chosen
from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster
from tests.deploy.api_server import ApiServer, api_server


@pytest.fixture(autouse=True)
def _fresh():
    """A provider is made once in a process, for the settings of that moment."""
    chosen.made.cache_clear()
    yield
    chosen.made.cache_clear()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("kubernetes-quotas")) as made:
        yield made


@pytest.fixture(scope="module", params=RELEASES)
def slurm(request) -> Iterator[SlurmCluster]:
    with slurm_cluster(request.param, nodes=2, min_job_age=5) as cluster:
        yield cluster
