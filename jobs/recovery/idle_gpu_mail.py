"""E-mails to owners whose jobs leave GPUs idle: with the warning, and when the job gives them back. Tried again as alerts of budgets are."""

from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.models import IdleGpuStep, JobEvent
from jobs.recovery.idle_gpus import KINDS
from quotas.budgets.alerts import AT_ONCE, try_after
from scheduling.idle_gpus import Rung

LATE = timedelta(days=1)
"""Nobody wants to hear of it after that."""


def deliver() -> int:
    """Send what is due; answers how many arrived."""
    arrived = 0
    for _ in range(AT_ONCE if settings.EMAIL_HOST else 0):
        step = _next()
        if step is None:
            break
        try:
            _send(step)
        except OSError:  # mail servers raise what sockets do
            continue
        arrived += 1
        IdleGpuStep.objects.filter(pk=step.pk).update(mail_at=None)
    return arrived


@transaction.atomic
def _next() -> IdleGpuStep | None:
    """One that is due, taken: the next try is set before this one, so that nobody sends it meanwhile, nor at once if we die."""
    due = IdleGpuStep.objects.filter(mail_at__lte=Now(), at__gte=Now() - LATE, attempt__isnull=False)
    row = due.order_by("mail_at", "pk").select_for_update(of=("self",), skip_locked=True, no_key=True).first()
    if row is None:
        return None
    again = try_after(row.mail_tries)
    IdleGpuStep.objects.filter(pk=row.pk).update(mail_tries=F("mail_tries") + 1, mail_at=again)
    return IdleGpuStep.objects.select_related("attempt__job__owner").get(pk=row.pk)


def _send(step: IdleGpuStep) -> None:
    job = step.attempt.job  # type: ignore[union-attr]  # of who is gone nothing is sent
    said = JobEvent.objects.filter(job=job, kind=KINDS[Rung(step.rung)], at__gte=step.at).order_by("id").first()
    if job.owner is not None and job.owner.is_active and job.owner.email and said is not None:
        subject = f"Job {job.pk} ({' '.join(job.name.split())[:80]}): its GPUs idle"
        EmailMessage(subject, said.message, to=[job.owner.email]).send()
