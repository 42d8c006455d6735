"""Where the processes of a job meet, and which of them this one is: the same variables on one node and on many."""

from django.conf import settings

from jobs.attempts.claims import PlacementSpec

LOOPBACK = "127.0.0.1"


def environment(claimed: PlacementSpec) -> dict[str, str]:
    """One process a node is what we start; who starts more of them (torchrun, Lightning) numbers those anew.

    On several GPUs that is what they are for, so there the local rank is left to whoever starts the others: Lightning
    and Accelerate take LOCAL_RANK for the word that somebody has done that already, and wait for processes that never come.
    """
    return {
        "MASTER_ADDR": claimed.master_address or LOOPBACK,
        "MASTER_PORT": str(claimed.master_port or settings.GANG_PORT),
        "WORLD_SIZE": str(claimed.nodes),
        "RANK": str(claimed.rank),
        "NODE_RANK": str(claimed.rank),
        "NNODES": str(claimed.nodes),
        **({} if len(claimed.gpu_indices) > 1 else {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}),
    }
