"""The messages that tell agents of placements, made of their rows."""

from collections.abc import Sequence

from django.conf import settings

from jobs.messages.publishing import PlacementMessage
from jobs.messages.routing import route, transport_of
from jobs.models import Job, Placement


def placement_messages(placements: Sequence[Placement]) -> list[PlacementMessage]:
    """The messages that tell the agents of these placements; each with its node, and that with its cluster."""
    needed = Job.objects.only("name", "priority", "gpus", "request_id", "traceparent")
    jobs = needed.in_bulk({row.attempt.job_id for row in placements})
    return [_message(row, jobs[row.attempt.job_id]) for row in placements]


def _message(row: Placement, job: Job) -> PlacementMessage:
    return PlacementMessage(
        placement_id=row.pk,
        token=str(row.attempt.token),
        route=route(
            hardware=job.hardware,
            priority=job.priority,
            node=row.node.doorbell,
            transport=transport_of(settings.BROKER_URL),
        ),
        job_id=job.pk,
        job_name=job.name,
        attempt=row.attempt.number,
        node=row.node.name,
        origin=job.origin,
    )
