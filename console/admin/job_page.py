"""What a job's page shows beside its fields: where it stands, its attempts, the end of its log, what happened to it."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.admin import cells, charts
from console.admin.job_outlook import outlook
from console.admin.log_tail import Tail, tail
from console.admin.outputs import kept_files
from console.admin.steering import moves
from jobs.models import Attempt, Job, JobEvent, Preemption
from jobs.reports.explain import runs_before_its_turn
from jobs.state.desired import CANCEL, PAUSE
from jobs.state.outcome import beyond_reason
from scheduling.lifecycle import END_SENTENCES, PLACED_STATES, TERMINAL_STATES, EndReason, JobState

ATTEMPTS_SHOWN = 20
EVENTS_SHOWN = 100
NEEDS_SHOWN = 50
SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "APIKEY", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY")
MB_PER_GB = 1024
HIDDEN = "••••••"


@dataclass(frozen=True, slots=True)
class PlacementRow:
    """A part of an attempt on one node."""

    node_id: int
    node: str
    gpus: str
    cpus: int
    memory: str
    state: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt, as its row on the page."""

    id: int
    number: int
    shares: list[PlacementRow]
    started_at: datetime | None
    ended_at: datetime | None
    ran: str
    end_reason: str
    sentence: str
    exit_code: int | None
    message: str
    used: str
    gave_way: Preemption | None


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, as its row on the page; `changes` are (field, before, after)."""

    at: datetime
    kind: str
    from_state: str
    to_state: str
    attempt: int | None
    actor: str
    message: str
    changes: list[tuple[str, Any, Any]]


def context(job: Any, user: Any) -> dict[str, Any]:
    """Everything for the page's template, in a fixed number of queries."""
    attempts = job.attempts.select_related("preemption").prefetch_related("placements__node")
    attempts = list(attempts.order_by("-number")[:ATTEMPTS_SHOWN])
    waits = job.state == JobState.PENDING
    needs = list(job.dependencies.select_related("needs").order_by("pk")[: NEEDS_SHOWN + 1])
    events = list(reversed(JobEvent.objects.filter(job=job).order_by("-id")[:EVENTS_SHOWN]))
    return {
        "job": job,
        "can": possible(job),
        **moves.offered(job),
        "waits": waits,
        "outlook": outlook(job, user, job.now) if waits else None,
        "before_its_turn": runs_before_its_turn(job),
        "metrics": sorted(job.metrics.items()) if isinstance(job.metrics, dict) else [],
        "needs": needs[:NEEDS_SHOWN],
        "more_needs": len(needs) > NEEDS_SHOWN,
        "attempts": [attempt_row(attempt, job.now) for attempt in attempts],
        "metrics_drawn": charts.of(job),
        "log": last_log(attempts),
        "outputs": kept_files.kept(job),
        "events": [happening(event) for event in events],
        "events_shown": EVENTS_SHOWN,
    }


def possible(job: Job) -> set[str]:
    """The names of those buttons that make sense for the job as it is; the use cases judge for themselves."""
    stopping, waits = bool(job.desired), job.state == JobState.PENDING
    rests = job.state == JobState.PAUSED or job.suspended or job.desired == PAUSE
    offers = {
        "cancel": job.state not in TERMINAL_STATES and job.desired != CANCEL,
        "requeue": not waits and not stopping,
        "pause": (waits or job.state in PLACED_STATES) and not stopping,
        "suspend": job.state == JobState.RUNNING and not stopping and not job.suspended,
        "resume": rests,
        "hold": waits and job.held_at is None,
        "release": job.held_at is not None,
        "edit": waits or job.state == JobState.PAUSED,
    }
    return {name for name, offered in offers.items() if offered}


def sentences(job: Job) -> Iterator[str]:
    """Why the job waits, most important first."""
    for reason in job.reasons if isinstance(job.reasons, list) else []:
        sentence = reason.get("sentence") or reason.get("code") if isinstance(reason, Mapping) else reason
        if sentence:
            yield str(sentence)


def attempt_row(attempt: Attempt, now: datetime) -> AttemptRow:
    ran = (attempt.ended_at or now) - attempt.started_at if attempt.started_at else None
    return AttemptRow(
        id=attempt.pk,
        number=attempt.number,
        shares=[
            PlacementRow(
                share.node_id, share.node.name, gpu_list(share.gpu_indices),
                share.cpus, cells.gigabytes(share.memory_mb), share.state,
            )
            for share in attempt.placements.all()
        ],
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        ran=cells.duration(ran),
        end_reason=attempt.end_reason,
        sentence=END_SENTENCES[EndReason(attempt.end_reason)] if attempt.end_reason else "",
        exit_code=attempt.exit_code,
        message=beyond_reason(attempt.end_reason, attempt.message),
        used=resource_usage(attempt),
        gave_way=getattr(attempt, "preemption", None),
    )  # fmt: skip


def resource_usage(attempt: Attempt) -> str:
    """What it really used, for who sizes the next one."""
    memory = "" if attempt.peak_memory_mb is None else f"{attempt.peak_memory_mb / MB_PER_GB:.1f} GB at most"
    time = "" if attempt.cpu_seconds is None else f"{cells.duration(timedelta(seconds=attempt.cpu_seconds))} of CPU"
    energy = " and ".join(
        f"{joules / 1000:.3g} kJ of its {whose}"
        for joules, whose in ((attempt.gpu_joules, "GPUs"), (attempt.cpu_joules, "CPUs"))
        if joules is not None
    )
    return ", ".join(filter(None, (memory, time, energy))) or cells.EMPTY


def happening(event: JobEvent) -> Happening:
    data = event.data if isinstance(event.data, dict) else {}
    before, after = (value if isinstance(value, dict) else {} for value in (data.get("from"), data.get("to")))
    changes = [(name, before.get(name), value) for name, value in sorted(after.items())]
    return Happening(
        event.at, event.kind, event.from_state, event.to_state, event.attempt, event.actor, event.message, changes
    )


def gpu_list(indices: list[int]) -> str:
    return ", ".join(str(index) for index in indices) or cells.EMPTY


def last_log(attempts: list[Attempt]) -> Tail | None:
    return tail(attempts[0]) if attempts else None


def hardware(job: Job) -> list[str]:
    """What it asks for, as people say it: 4 nodes, each with 2 × h100 GPU and 8 CPU, zone=a."""
    nodes = f"{job.nodes} nodes, each" if job.nodes > 1 else ""
    gpus = f"{job.gpus} × {job.gpu_model} GPU" if job.gpu_model else f"{job.gpus} GPU"
    labels = (f"{name}={value}" for name, value in sorted(job.node_labels.items()))
    runs = [
        f"by {job.executor}" if job.executor else "",
        f"in {job.image}" if job.image else "",
        *(f"{kind} {where}" for kind, where in sorted(job.environment.items())),
    ]
    return [part for part in (nodes, gpus if job.gpus else "", f"{job.cpus} CPU", *labels, *runs) if part]


def command_line(command: Any) -> str:
    """The command as one would type it."""
    return shlex.join(str(word) for word in command) if isinstance(command, list) else json.dumps(command)


def environment(variables: Any, *, values: bool) -> str:
    """One variable a line, with `values` if they are for this reader; of those named like a secret they never are."""
    pairs = sorted(variables.items()) if isinstance(variables, dict) else []
    return "\n".join(f"{name}={value if values and not _is_secret(name) else HIDDEN}" for name, value in pairs)


def _is_secret(name: str) -> bool:
    return any(word in name.upper() for word in SECRET_WORDS)
