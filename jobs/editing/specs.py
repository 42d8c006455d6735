"""From the row of a job to what was asked for with it, and the same with changes."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from jobs.models import Job
from jobs.submission.job_spec import Input, JobSpec

COLUMNS = {column.attname for column in Job._meta.concrete_fields}  # noqa: SLF001 - Django's documented way to them
OF_THE_ROW = tuple(one.name for one in fields(JobSpec) if one.name in COLUMNS and one.name != "submission_key")
"""What stands in a row by the same name."""


def spec_of(job: Job) -> JobSpec:
    """As it would be submitted now, but for what it depends on, its workload and its submission key."""
    its = {name: getattr(job, name) for name in OF_THE_ROW}
    its |= {
        "project": job.project.slug,
        "queue": job.queue.name,
        "command": tuple(job.command),
        "secrets": tuple(job.secrets),
        "inputs": tuple(Input(**one) for one in job.inputs),
    }
    return JobSpec(**its, snapshot=job.snapshot_id)


def changed(spec: JobSpec, changes: Mapping[str, Any]) -> JobSpec:
    """`env` names what is different: a variable is set, or with null taken away; the others stay."""
    env = {"env": merged(spec.env, changes["env"])} if "env" in changes else {}
    return replace(spec, **{**changes, **env})


def merged(env: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**env, **changes}.items() if value is not None}
