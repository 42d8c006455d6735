"""Which of the processes of a job this one is."""

from __future__ import annotations

import os

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "OMPI_COMM_WORLD_RANK")
"""Where launchers say which of the processes of a job this one is; one that is not 0 means another one speaks."""


def is_first() -> bool:
    """Whether this process has rank 0, or none."""
    return all(os.environ.get(name) in (None, "", "0") for name in RANKS)
