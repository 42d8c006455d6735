"""For training scripts: report progress and metrics to Trainyard, and stop with a checkpoint when told to.

    from trainyard import report, stoppable

    for step in stoppable(range(first, steps), save):
        ...
        report(step=step, loss=loss, progress=step / steps)

Standard library only, and nothing happens until it is called. Outside of Trainyard `report` does nothing.

`trainyard.Client` submits jobs from Python. It is loaded when it is asked for, with all that it imports: httpx, Python 3.11.
"""

from trainyard.checkpoints import latest_checkpoint
from trainyard.reporting import report
from trainyard.stopping import STOPPED, preempted, stoppable

TYPE_CHECKING = False  # as type checkers take it, without an import
if TYPE_CHECKING:
    from typing import Any

    from trainyard.client.client import Client
    from trainyard.client.jobs import Job
    from trainyard.client.workloads import Workload

__all__ = ["STOPPED", "Client", "Job", "Workload", "latest_checkpoint", "preempted", "report", "stoppable"]

_OF_THE_CLIENT = {"Client": "client", "Job": "jobs", "Workload": "workloads"}


def __getattr__(name: str) -> "Any":
    if name not in _OF_THE_CLIENT:
        raise AttributeError(f"module 'trainyard' has no attribute {name!r}")
    import importlib
    import sys

    if sys.version_info < (3, 11):
        raise ImportError(f"trainyard.{name} needs Python 3.11 or later.")
    try:
        module = importlib.import_module(f"trainyard.client.{_OF_THE_CLIENT[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "trainyard":
            raise
        raise ImportError(f"trainyard.{name} needs {error.name}: pip install trainyard-cli") from error
    return getattr(module, name)
