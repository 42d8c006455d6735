"""The options that say what a queue is like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.durations import parse_duration
from cli.errors import UsageError
from cli.options import completing
from cli.options.values import understand

STATES = completing.words("open", "paused", "draining")


def _option(metavar: str, words: str, **more: Any) -> Any:
    return typer.Option(metavar=metavar, help=words, **more)


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """What is said of a queue; what is not said stays as it is. A limit may be `none`."""

    rank: Annotated[int | None, _option("N", "Higher goes first.")] = None
    policy: Annotated[str | None, _option("NAME", "How it is ordered; none: as the platform says.")] = None
    state: Annotated[str | None, _option("WORD", "open, paused or draining.", autocompletion=STATES)] = None
    executor: Annotated[
        str | None,
        _option("NAME", "Who runs its jobs that name nobody: agent, any, kubernetes, a cluster; none: agents."),
    ] = None
    description: Annotated[str | None, _option("TEXT", "What it is for.")] = None
    max_running: Annotated[str | None, _option("N", "Jobs at once; none: no limit, as below.")] = None
    max_walltime: Annotated[str | None, _option("TIME", "The longest time limit of a job: 2h, 1d.")] = None
    default_walltime: Annotated[str | None, _option("TIME", "That of a job that names none; none: the longest.")] = None
    max_gpus: Annotated[str | None, _option("N", "GPUs of one job, on all its nodes together.")] = None
    max_cpus: Annotated[str | None, _option("N", "CPUs of one job.")] = None
    max_memory_gb: Annotated[str | None, _option("GB", "Memory of one job.")] = None
    max_nodes: Annotated[str | None, _option("N", "Nodes of one job.")] = None
    max_waiting: Annotated[str | None, _option("N", "Waiting jobs of one user.")] = None
    max_priority_member: Annotated[
        str | None, _option("N", "The highest priority that a member may use, 0 to 100.")
    ] = None
    max_priority_admin: Annotated[str | None, _option("N", "The highest priority that a project's admin may use.")] = (
        None
    )
    allow: Annotated[
        list[str] | None,
        _option(
            "PROJECT",
            "Only this project and all below it may use it. May be repeated; none: all may.",
            autocompletion=completing.projects,
        ),
    ] = None

    def body(self) -> dict[str, Any]:
        said: dict[str, Any] = {"rank": self.rank, "state": self.state, "description": self.description}
        body = {name: value for name, value in said.items() if value is not None}
        if self.policy is not None:
            body["policy"] = "" if self.policy == "none" else self.policy
        if self.executor is not None:
            body["executor"] = "" if self.executor == "none" else self.executor
        if self.allow:
            body["allowed_projects"] = _projects(self.allow)
        return body | dict(_limit(self, *one) for one in LIMITS if getattr(self, one[0]) is not None)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"'{text}' is no whole number: write 8, or none.")
    return int(text)


def _gigabytes(text: str) -> float:
    return _whole(text) if text.isdecimal() else float(text)


LIMITS: tuple[tuple[str, str, Callable[[str], float]], ...] = (
    ("max_running", "max_running", _whole),
    ("max_walltime", "max_runtime_seconds", parse_duration),
    ("default_walltime", "default_runtime_seconds", parse_duration),
    ("max_gpus", "max_gpus", _whole),
    ("max_cpus", "max_cpus", _whole),
    ("max_memory_gb", "max_memory_gb", _gigabytes),
    ("max_nodes", "max_nodes", _whole),
    ("max_waiting", "max_waiting_per_user", _whole),
    ("max_priority_member", "max_priority_member", _whole),
    ("max_priority_admin", "max_priority_admin", _whole),
)


def _limit(options: QueueOptions, name: str, field: str, parse: Callable[[str], float]) -> tuple[str, float | None]:
    text = getattr(options, name)
    return field, None if text == "none" else understand(parse, f"--{name.replace('_', '-')}", text)


def _projects(named: list[str]) -> list[str]:
    if "none" not in named:
        return named
    if len(named) > 1:
        raise UsageError("--allow: write none alone, or projects.")
    return []
