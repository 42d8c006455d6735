"""A cluster of each release for those who ask it directly."""

from collections.abc import Iterator

import pytest

from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster


@pytest.fixture(scope="module", params=RELEASES)
def slurm(request) -> Iterator[SlurmCluster]:
    with slurm_cluster(request.param, nodes=2, min_job_age=2) as cluster:
        yield cluster
