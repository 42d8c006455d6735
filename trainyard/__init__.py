"""For training scripts: report progress and metrics to Trainyard, and stop with a checkpoint when told to.

    from trainyard import report, stoppable

    for step in stoppable(range(first, steps), save):
        ...
        report(step=step, loss=loss, progress=step / steps)

Standard library only, and nothing happens until it is called. Outside of Trainyard `report` does nothing.
"""

from trainyard.checkpoints import latest_checkpoint
from trainyard.reporting import report
from trainyard.stopping import STOPPED, preempted, stoppable

__all__ = ["STOPPED", "latest_checkpoint", "preempted", "report", "stoppable"]
