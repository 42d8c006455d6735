"""What every installation starts with: three queues, and the rows that say how far planning and learning have come."""

from typing import Any

from jobs.models import Cycle, JobCountProgress, JobEvent, Queue
from jobs.models.planning import RunTimeLearning
from jobs.models.usage import UsageRollup

QUEUES = (
    ("live", 100, "", "Somebody is waiting for the answer."),
    ("default", 50, "", "Ordinary training runs."),
    ("batch", 10, "responsive", "Whatever is left over: sweeps, nightly runs."),
)


def add_defaults(*, using: str = "default", **_: Any) -> None:
    """Fill an empty installation; one that has queues of its own keeps them as they are."""
    Cycle.objects.using(using).get_or_create(pk=1)
    RunTimeLearning.objects.using(using).get_or_create(pk=1)
    UsageRollup.objects.using(using).get_or_create(pk=1)
    # What happened before the first count of all is not counted: jobs of years may be there.
    last = JobEvent.objects.using(using).order_by("-id").values_list("pk", flat=True).first()
    JobCountProgress.objects.using(using).get_or_create(pk=1, defaults={"counted_until": last or 0})
    if not Queue.objects.using(using).exists():
        Queue.objects.using(using).bulk_create(
            Queue(name=name, rank=rank, policy=policy, description=description)
            for name, rank, policy, description in QUEUES
        )
