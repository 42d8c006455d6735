"""What has to be there before anything is started."""

from tests.clusters.slurm import slurm_cluster
from tests.deploy import api_server

RELEASE = "22.05"


def absent() -> list[str]:
    """A sentence for each that is missing, and how to get it; empty if all is there."""
    return [reason for reason in (slurm_cluster.why_absent(RELEASE), api_server.why_absent()) if reason]
