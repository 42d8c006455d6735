"""Whether what a job left is kept as long as the job itself, whatever the rules on age say."""

from django.db import transaction

from jobs.models import Job
from jobs.state import transitions


@transaction.atomic
def set_keep(job: Job, *, keep: bool, actor: str) -> None:
    """From now on; said again, nothing happens."""
    if Job.objects.filter(pk=job.pk).exclude(keep_outputs=keep).update(keep_outputs=keep):
        words = (
            "Its outputs are kept as long as the job." if keep else "Its outputs are kept as the rules on age have it."
        )
        transitions.note([job.pk], "outputs_kept" if keep else "outputs_not_kept", message=words, actor=actor)
