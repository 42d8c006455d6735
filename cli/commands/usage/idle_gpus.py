"""`trainyard idle-gpus`."""

from dataclasses import dataclass, fields
from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import in_project
from cli.options.shared import DEFAULT_PROJECT, AsJson, ProjectName
from cli.output import print_json, visible

app = typer.Typer(rich_markup_mode=None)

Queue = Annotated[
    str | None,
    typer.Option(
        "--queue", "-q", metavar="NAME", help="A queue's rule instead of a project's.", autocompletion=completing.queues
    ),
]
Off = Annotated[bool, typer.Option("--off", help="Nothing happens, whatever the project above says.")]
Inherit = Annotated[bool, typer.Option("--inherit", help="Have no rule of its own.")]
RUNGS = ("warn", "suggest", "requeue", "stop")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is to become of jobs; what is left open stays."""

    warn: Annotated[int | None, typer.Option(metavar="MINUTES", help="Warn after so many minutes.")] = None
    suggest: Annotated[int | None, typer.Option(metavar="MINUTES", help="Say what can be done.")] = None
    requeue: Annotated[
        int | None, typer.Option(metavar="MINUTES", help="Have checkpointable jobs go back in line.")
    ] = None
    stop: Annotated[int | None, typer.Option(metavar="MINUTES", help="End them.")] = None
    priority: Annotated[int | None, typer.Option(metavar="N", help="The priority of who goes back in line.")] = None
    requeues: Annotated[int | None, typer.Option(metavar="N", help="So often one job is requeued at most.")] = None
    start: Annotated[
        int | None, typer.Option(metavar="MINUTES", help="The first minutes of a run, which do not count.")
    ] = None

    def body(self) -> Row:
        """As the server calls it."""
        names = {**{rung: f"{rung}_minutes" for rung in (*RUNGS, "start")}, "priority": "requeue_priority"}
        names["requeues"] = "max_requeues"
        typed = {one.name: getattr(self, one.name) for one in fields(self)}
        return {names[name]: value for name, value in typed.items() if value is not None}


@app.command("idle-gpus")
@on_server
def idle_gpus(
    server: Server, terms: Terms, project: ProjectName = DEFAULT_PROJECT, *, queue: Queue = None, off: Off = False,
    inherit: Inherit = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what becomes of a project's jobs whose GPUs idle; set it.

    Example: trainyard idle-gpus --project vision --warn 15 --requeue 60 --priority 5 --stop 240
    """
    body = terms.body()
    if bool(body) + off + inherit > 1:
        raise UsageError("--off, --inherit and minutes each say what happens: give one of them.")
    path = f"queues/{path_word(queue)}/idle-gpus" if queue else f"projects/{path_word(project)}/idle-gpus"
    with in_project(server, project):
        if inherit:
            server.delete(path)
        elif off or body:
            server.patch(path, body or {f"{rung}_minutes": None for rung in RUNGS})
        answer = server.get(path)
    if as_json:
        print_json(answer)
    else:
        print(sentence(answer, queue=queue, project=project))


def sentence(answer: Row, *, queue: str | None, project: str) -> str:
    """Such as: Jobs of vision whose GPUs idle are warned after 15 minutes and stopped after 240, as org has it."""
    whose = f"in queue {visible(queue)}" if queue else f"of {visible(project)}"
    of = answer["from_project"]
    by = f", as {visible(of)} has it" if of and of != project else ""
    known = {"warn": "warned", "suggest": "told what to do", "requeue": _requeued(answer), "stop": "ended"}
    steps = [
        f"{does} after {minutes} minutes" for rung, does in known.items() if (minutes := answer[f"{rung}_minutes"])
    ]
    if not steps:
        return f"Nothing becomes of jobs {whose} whose GPUs idle{by}."
    said = f"{', '.join(steps[:-1])} and {steps[-1]}" if len(steps) > 1 else steps[0]
    return f"Jobs {whose} whose GPUs idle are {said}{by}; the first {answer['start_minutes']} minutes do not count."


def _requeued(answer: Row) -> str:
    times = "once" if answer["max_requeues"] == 1 else f"{answer['max_requeues']} times"
    return f"requeued with priority {answer['requeue_priority']} (at most {times})"
