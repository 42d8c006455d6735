"""Waiting jobs that name a secret which does not exist any more: they start nothing until there is one again."""

from dataclasses import replace

from django.db.models import Q

from jobs.models import Job
from quotas.secrets import nearest
from scheduling.lifecycle import JobState
from scheduling.reasons import ReasonCode
from scheduling.snapshot import WaitingJob

WAITS_WITH_SECRETS = Q(state=JobState.PENDING.value) & ~Q(secrets=[])
"""As the index of these jobs has it."""


def held_back(waiting: tuple[WaitingJob, ...]) -> tuple[WaitingJob, ...]:
    """The jobs, those whose secrets are missing with the reason; what else stops them comes first."""
    without = missing_names()
    return tuple([_held_back(job, without) for job in waiting]) if without else waiting


def missing_names() -> dict[int, list[str]]:
    """By job, the names for which there is no secret now; in one statement where no job that waits names any."""
    named = list(Job.objects.filter(WAITS_WITH_SECRETS).order_by().values_list("pk", "project", "owner", "secrets"))
    known = nearest.read({name for *_, names in named for name in names})
    found = {pk: known.missing(project, owner, names) for pk, project, owner, names in named}
    return {pk: names for pk, names in found.items() if names}


def _held_back(job: WaitingJob, without: dict[int, list[str]]) -> WaitingJob:
    if job.id not in without or job.stopped:
        return job
    sentence = nearest.sentence(job.project, without[job.id])
    return replace(job, stopped=sentence, stopped_by=ReasonCode.SECRETS)
