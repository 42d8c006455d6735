"""An engine on a real Slurm, whose folder is its own for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters.slurm.rest import RestClient
from executors.slurm.engine import SlurmEngine
from executors.slurm.options import Options
from tests.clusters.slurm.slurm_cluster import RELEASES, SlurmCluster, slurm_cluster
from tests.executors.slurm.workloads import PATH


@pytest.fixture(scope="session", params=RELEASES)
def slurm(request) -> Iterator[SlurmCluster]:
    with slurm_cluster(request.param) as cluster:
        yield cluster


@pytest.fixture
def new_engine(slurm: SlurmCluster, tmp_path_factory) -> Iterator[Callable[..., SlurmEngine]]:
    """Engines of one bridge, by REST unless a client is given: the second is what comes after the first has died."""
    shared = slurm.shared / tmp_path_factory.mktemp("bridge").name
    made: list[SlurmEngine] = []

    def make(client=None, partition: str = "main", **more) -> SlurmEngine:
        path = f"{slurm.installed / 'programs'}:{PATH}"
        options = Options(partition=partition, shared=Path(shared), path=path, **more)
        engine = SlurmEngine(client or RestClient(slurm.url, token=slurm.token), options)
        made.append(engine)
        return engine

    yield make
    slurm.command("scancel", "--user=root", check=False)
    for engine in made:
        engine.close()


@pytest.fixture
def engine(new_engine) -> SlurmEngine:
    return new_engine()
