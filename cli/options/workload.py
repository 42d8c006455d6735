"""What commands can be told about a workload."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.errors import UsageError
from cli.options import completing

Held = Annotated[bool, typer.Option("--held", help="Its jobs wait until `trainyard workloads start`.")]
MaxRunning = Annotated[
    int | None,
    typer.Option("--max-running", min=1, metavar="N", help="So many of its jobs at once.", show_default=False),
]
StopOnFailure = Annotated[bool, typer.Option("--stop-on-failure", help="The first job that fails cancels the others.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="For those who wonder.")]
WorkloadName = Annotated[
    str | None,
    typer.Option(
        "--workload", metavar="NAME", help="The workload of all of them.", autocompletion=completing.workloads
    ),
]


@dataclass(frozen=True, kw_only=True)
class WorkloadOfAll:
    """The workload of all jobs of a file, and what it is like if it is made with them."""

    workload: WorkloadName = None
    held: Held = False
    max_running: MaxRunning = None
    stop_on_failure: StopOnFailure = False


@dataclass(frozen=True, kw_only=True)
class WorkloadChange:
    """What is to be different; None stays as it is."""

    rename: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another name.")] = None
    max_running: Annotated[
        str | None, typer.Option("--max-running", metavar="N", help="So many at once; none: no limit.")
    ] = None
    stop_on_failure: Annotated[
        bool | None, typer.Option("--stop-on-failure/--keep-going", help="Whether a failure cancels the others.")
    ] = None
    priority: Annotated[
        str | None,
        typer.Option(
            "--priority", metavar="WORD", help="Of all of its jobs that wait.", autocompletion=completing.priorities
        ),
    ] = None
    description: Description = None

    def body(self) -> dict[str, Any]:
        """Of PATCH /workloads/{id}; raises `UsageError` for a number that is none."""
        said = {
            "name": self.rename,
            "stop_on_failure": self.stop_on_failure,
            "priority": int(self.priority) if self.priority and self.priority.isdecimal() else self.priority,
            "description": self.description,
        }
        body = {name: value for name, value in said.items() if value is not None}
        return body if self.max_running is None else body | {"max_running": _number(self.max_running)}


def _number(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise UsageError(f"--max-running {text}: give a number from 1 on, or none.")
    return int(text)
