"""The options by which jobs are narrowed down, those that a list shows and those of which something is asked."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.errors import UsageError
from cli.options import completing


@dataclass(frozen=True, kw_only=True)
class JobFilters:
    """Which jobs; what is left open narrows nothing down."""

    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            "-s",
            metavar="STATE",
            help="Only those in this state. May be repeated.",
            autocompletion=completing.states,
        ),
    ] = None
    project: Annotated[
        str | None,
        typer.Option(
            "--project", "-p", metavar="NAME", help="Only those of this project.", autocompletion=completing.projects
        ),
    ] = None
    queue: Annotated[
        str | None,
        typer.Option(
            "--queue", "-q", metavar="NAME", help="Only those in this queue.", autocompletion=completing.queues
        ),
    ] = None
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="NAME", help="Only those last on this node.", autocompletion=completing.nodes),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="TEXT", help="Only those with this in their name; with * or ? in it, of this name."
        ),
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", metavar="K=V", help="Only those with this label. May be repeated."),
    ] = None
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload", metavar="NAME", help="Only those of this workload.", autocompletion=completing.workloads
        ),
    ] = None
    user: Annotated[
        str | None, typer.Option("--user", "-u", metavar="NAME", help="Only those that this user submitted.")
    ] = None
    mine: Annotated[bool, typer.Option("--mine", help="Only those that I submitted.")] = False

    def conditions(self) -> dict[str, Any]:
        """What was typed, as the server calls it."""
        if self.mine and self.user:
            raise UsageError("--mine and --user both say whose: give one of them.")
        found = {
            "state": self.state, "project": self.project, "queue": self.queue, "node": self.node, "name": self.name,
            "label": self.label, "workload": self.workload, "owner": "me" if self.mine else self.user,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value}
