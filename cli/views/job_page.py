"""Everything about one job, on one page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.client.requests import Row
from cli.durations import spell, spell_between, spell_moment
from cli.views.jobs import is_over, spell_end, spell_hardware, spell_priority, spell_run, spell_state, spell_wait
from cli.views.predictions import spell_floor, spell_start, start_of
from cli.views.shell_words import joined
from cli.views.tables import Column, bar, coloured_state, facts, framed, make_table, plain

LAST_EVENTS = 8
NEEDS_SHOWN = 20
HAS_TO = {"any": "has to end", "failed": "has to fail"}
HIDDEN = "(hidden)"


def job_page(
    console: Console, job: Row, attempts: Sequence[Row], events: Sequence[Row], now: datetime
) -> list[RenderableType]:
    """The job's facts, why it waits, its attempts if there were several, and what happened last."""
    parts: list[RenderableType] = [framed(console, f"job {job['id']} {job['name']}", job_facts(job, now))]
    if job.get("reasons") and not is_over(job):
        parts.append(framed(console, "waits because", reasons_list(job["reasons"])))
    if attempts:
        parts.append(framed(console, "attempts", _attempts(console, attempts, now)))
        members = attempts[-1].get("placements") or []
        if len(members) > 1:
            parts.append(framed(console, f"members of attempt {attempts[-1]['number']}", _members(console, members)))
    if events:
        parts.append(framed(console, "last events", _events(console, events[-LAST_EVENTS:])))
    return parts


def job_facts(job: Row, now: datetime) -> Table:
    """What the server says about the job itself; what it leaves open is left out."""
    return facts([*_state_facts(job), *_request(job), *_history(job, now)])


def reasons_list(reasons: Sequence[Row]) -> Text:
    """One sentence a line, each with who holds what is missing."""
    lines = []
    for reason in reasons:
        holders = ", ".join(str(one) for one in reason.get("held_by") or [])
        held = f" (held by {holders})" if holders else ""
        lines.append(f"{reason.get('sentence') or reason.get('code')}{held}")
    return Text("\n").join(plain(line) for line in lines)


def _state_facts(job: Row) -> list[tuple[str, str | Text]]:
    return [
        ("state", coloured_state(job["state"], spell_state(job))),
        ("held", _hold(job)),
        ("ended", plain(spell_end(job)) if is_over(job) and job["state"] != "completed" else ""),
        ("progress", bar(job.get("progress"), width=30)),
        ("metrics", plain(spell_pairs(job.get("metrics")))),
        ("node", plain(job.get("node"))),
    ]


def _hold(job: Row) -> Text:
    """By whom, since when and why."""
    held = job.get("held")
    if not held:
        return plain("")
    why = f": {held['reason']}" if held.get("reason") else ""
    return plain(f"by {held['by']} since {spell_moment(held['since'])}{why}")


def spell_needs(job: Row) -> str:
    """`7 (completed), 8 (running, has to fail)`: what it waits for, and how that stands."""
    needs = job.get("dependencies") or [{"job": one} for one in job.get("depends_on") or []]
    more = len(needs) - NEEDS_SHOWN
    return ", ".join([*map(_need, needs[:NEEDS_SHOWN]), *([f"and {more} more"] if more > 0 else [])])


def _need(need: Row) -> str:
    how = HAS_TO.get(need.get("after") or "", "")
    words = ", ".join(filter(None, (need.get("state"), how)))
    return f"{need['job']} ({words})" if words else str(need["job"])


def _request(job: Row) -> list[tuple[str, str | Text]]:
    return [
        ("project", plain(job["project"])),
        ("queue", plain(f"{job['queue']}, priority {spell_priority(job['priority'])}{_place(job)}")),
        ("resources", plain(spell_resources(job["resources"]))),
        ("command", Text(joined(job.get("command") or []))),
        ("code", plain(spell_code(job.get("code")))),
        ("environment", plain(spell_pairs(job.get("environment")))),
        ("folder", plain(job.get("working_dir"))),
        ("environment", plain(spell_environment(job.get("env")))),
        ("secrets", plain(spell_secrets(job))),
        ("workload", plain(job.get("workload"))),
        ("labels", plain(spell_pairs(job.get("labels")))),
        ("after", plain(spell_needs(job))),
        ("limits", plain(spell_limits(job))),
        ("submission key", plain(job.get("submission_key"))),
    ]


def spell_secrets(job: Row) -> str:
    """`WANDB_API_KEY, GCP_KEY (file gcp.json)`."""
    files = job.get("secret_files") or {}
    return ", ".join(
        f"{name} (file {files[name]})" if name in files else str(name) for name in job.get("secrets") or []
    )


def _place(job: Row) -> str:
    """Of a job that waits: its place, or that it has none, because it could not start if there was room."""
    if job.get("position"):
        return f", place {job['position']} in line"
    looked_at = (
        job["state"] == "pending" and job.get("reasons") and all(one.get("code") != "new" for one in job["reasons"])
    )
    return ", no place in line yet" if looked_at else ""


def _history(job: Row, now: datetime) -> list[tuple[str, str | Text]]:
    return [
        ("submitted", spell_moment(job.get("created_at"))),
        ("predicted start", _predicted(job, now)),
        ("at the latest", spell_floor(job.get("floor_start"), now) if job["state"] == "pending" else ""),
        ("started", _with(spell_moment(job.get("started_at")), f"waited {spell_wait(job, now)}")),
        ("finished", _with(spell_moment(job.get("finished_at")), f"ran {spell_run(job, now) or '0s'}")),
        ("cost", _cost(job)),
    ]


def _predicted(job: Row, now: datetime) -> str:
    """Only of a job that waits for its start, and only if anything is known."""
    known = start_of(job)
    return spell_start(known, now) if job["state"] == "pending" and any(known.values()) else ""


def spell_resources(resources: Row) -> str:
    """`2 GPU h100, 4 CPU, 16 GB memory`."""
    parts = [spell_hardware(resources)]
    if resources.get("gpus"):
        parts.append(f"{resources.get('cpus', 1)} CPU")
    if resources.get("memory_gb"):
        parts.append(f"{resources['memory_gb']:g} GB memory")
    return ", ".join(parts)


def spell_limits(job: Row) -> str:
    """What bounds the job: its time, its begin, its deadline, its retries."""
    longest, expected = job.get("max_runtime_seconds"), job.get("estimated_runtime_seconds")
    parts = [
        f"at most {spell(longest)}" if longest else "",
        f"expected {spell(expected)}" if expected else "",
        f"begins {spell_moment(job['begin_at'])}" if job.get("begin_at") else "",
        f"deadline {spell_moment(job['deadline'])}" if job.get("deadline") else "",
        f"grace {spell(job['grace_seconds'])}" if job.get("grace_seconds") is not None else "",
        f"{job['max_retries']} retries" if job.get("max_retries") else "",
        "checkpointable" if job.get("checkpointable") else "",
        "" if job.get("preemptible", True) else "never preempted",
    ]
    return ", ".join(part for part in parts if part)


def spell_code(code: Row | None) -> str:
    """`snapshot 12, commit 1a2b3c4d (main), with changes that are not committed`; empty: it brings none."""
    if code is None:
        return ""
    branch = f" ({code['branch']})" if code.get("branch") else ""
    commit = f", commit {code['commit'][:12]}{branch}" if code.get("commit") else ""
    dirty = ", with changes that are not committed" if code.get("dirty") else ""
    return f"snapshot {code['snapshot']}{commit}{dirty}"


def spell_pairs(mapping: Row | None) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in (mapping or {}).items())


def spell_environment(env: Row | None) -> str:
    """With names alone where the values are not for whoever asks."""
    shown = {name: HIDDEN if value is None else value for name, value in (env or {}).items()}
    return spell_pairs(shown)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _with(moment: str, remark: str) -> str:
    return f"{moment} ({remark})" if moment else ""


def _cost(job: Row) -> str:
    actual, estimated = job.get("actual_cost"), job.get("estimated_cost")
    known = f"{actual}" if actual is not None else ""
    expected = f"estimated {estimated}" if estimated is not None else ""
    return ", ".join(part for part in (known, expected) if part)


def _attempts(console: Console, attempts: Sequence[Row], now: datetime) -> Table:
    columns = [
        Column("NO", lambda one: str(one["number"]), right=True),
        Column("NODE", lambda one: plain(spell_nodes(one)), shrinks=True),
        Column("STARTED", lambda one: spell_moment(one.get("started_at"))),
        Column("RAN", lambda one: spell_between(one.get("started_at"), one.get("ended_at"), now), right=True),
        Column("ENDED", lambda one: plain(spell_end({**one, "message": ""}) or one.get("end_reason"))),
        Column("MESSAGE", lambda one: plain(one.get("message")), shrinks=True),
    ]
    return make_table(console, columns, attempts)


def _members(console: Console, placements: Sequence[Row]) -> Table:
    columns = [
        Column("RANK", lambda one: str(one["rank"]), right=True),
        Column("NODE", lambda one: plain(one.get("node")), shrinks=True),
        Column("CPU", lambda one: str(one.get("cpus", "")), right=True),
        Column("GPUS", lambda one: ", ".join(str(index) for index in one.get("gpu_indices") or []), shrinks=True),
        Column("STATE", lambda one: plain(one.get("state"))),
    ]
    return make_table(console, columns, sorted(placements, key=lambda one: int(one["rank"])))


def spell_nodes(attempt: Row) -> str:
    placements = attempt.get("placements") or []
    return ", ".join(str(one.get("node") or "") for one in placements) or str(attempt.get("node") or "")


def _events(console: Console, events: Sequence[Row]) -> Table:
    columns = [
        Column("WHEN", lambda event: spell_moment(event.get("at"))),
        Column("WHAT", lambda event: plain(event.get("kind"))),
        Column("STATE", lambda event: coloured_state(event.get("to_state"))),
        Column("BY", lambda event: plain(event.get("actor")), yields=1),
        Column("MESSAGE", lambda event: plain(event.get("message")), shrinks=True),
    ]
    return make_table(console, columns, events)
