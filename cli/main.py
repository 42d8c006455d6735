"""The entry point `trainyard`: the table of commands, each loaded when it is called, and the exit codes."""

import importlib
import io
import os
import sys
import traceback
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from cli.errors import CommandError
from cli.options.shared import Profile, ServerChoice, TokenFile, Url
from cli.output import print_failure, speak_json


class Entry(NamedTuple):
    """Where a command lives, and its line in the help."""

    module: str
    summary: str


COMMANDS = {
    "submit": Entry("submit", "Submit a training job, or with --sweep or --array one for each value."),
    "batch": Entry("batch", "Submit the jobs of a file: all of them or none."),
    "list": Entry("list_jobs", "List jobs, newest first."),
    "show": Entry("show", "Show everything about a job."),
    "explain": Entry("explain", "Say why a job waits and until when, and what would start it now."),
    "quote": Entry("quote", "Say when a job would start and what it would cost, without submitting it."),
    "templates": Entry(
        "templates.commands", "List the templates that you may submit from, each in its latest version."
    ),
    "status": Entry("status", "Say in a line each how jobs are doing, and with --follow what changes."),
    "wait": Entry("wait", "Stay until jobs are over."),
    "seff": Entry(
        "costs.seff", "Say what a job used of what it held, so that the next one asks for as much as it needs."
    ),
    "workloads": Entry(
        "workloads.workloads",
        "List the workloads, newest first; make, start, pause, resume and cancel them with all of their jobs.",
    ),
    "schedules": Entry(
        "schedules.schedules",
        "List jobs that are submitted at certain times; make, change, pause, run and forget them.",
    ),
    "secrets": Entry("secrets.secrets", "List your secrets or a project's, without their values; set and delete them."),
    "logs": Entry("logs", "Print what a job has written."),
    "outputs": Entry("results.outputs", "List what a job has left, fetch it, or have it kept."),
    "exec": Entry(
        "sessions.exec", "Run a command beside a running job: in its environment, its folder and its limits."
    ),
    "shell": Entry(
        "sessions.shell", "Open a terminal beside a running job: in its environment, its folder and its limits."
    ),
    "port": Entry("sessions.port", "Reach a port of a running job from here: TensorBoard, Jupyter."),
    "metrics": Entry("metrics", "Draw what a job has reported over time."),
    "cancel": Entry("control", "Cancel jobs."),
    "requeue": Entry("control", "Run jobs again that are over or paused, or that run."),
    "pause": Entry("control", "Pause jobs until they are resumed."),
    "resume": Entry("control", "Let paused jobs wait in line again, and suspended ones go on."),
    "hold": Entry("control", "Keep waiting jobs from starting until they are released."),
    "change": Entry("change", "Give waiting jobs another priority, queue or labels."),
    "edit": Entry("editing.edit", "Change what a waiting job asks for and runs."),
    "clone": Entry("editing.clone", "Submit a job again, or all jobs of a workload, with changes."),
    "release": Entry("control", "Let held jobs start again when their turn comes."),
    "migrate": Entry("steering.moves", "Move a running job to another node, where it goes on from its checkpoint."),
    "migrations": Entry("steering.moves", "List where jobs have moved, and why; call moves off, and take them back."),
    "scheduler": Entry(
        "steering.scheduler",
        "Say how the scheduler decides, and what its last cycle did; its settings; who gave way to whom.",
    ),
    "queues": Entry(
        "queues",
        "List the queues, the one that goes first on top, with what they limit; make and change them, as staff.",
    ),
    "quota": Entry(
        "quota", "Show what a project holds, and how much it may hold; or set that, as an admin of a project above."
    ),
    "costs": Entry("costs.report", "Say what was paid in a period, by project, user, batch, job, node, day or month."),
    "usage": Entry("usage.report", "Say what was used, by project, user, queue, hardware, node or label."),
    "fairness": Entry("usage.fairness", "Say who was entitled to what, week by week, who received it, and why not."),
    "retention": Entry(
        "usage.retention", "Say for how long a project's jobs, and what they leave, are kept after their end; set it."
    ),
    "idle-gpus": Entry("usage.idle_gpus", "Say what becomes of a project's jobs whose GPUs idle; set it."),
    "prices": Entry("costs.prices", "List what things cost an hour; set more, and end them, as staff."),
    "budgets": Entry(
        "costs.budgets", "List budgets: what is spent, committed and expected of them; set more, as those who may."
    ),
    "projects": Entry(
        "projects", "List your projects as a tree, with your role in each; show, make, move and archive them."
    ),
    "members": Entry("members", "List who belongs to a project; take users in, change roles, send members away."),
    "nodes": Entry("nodes", "List the machines and their load; describe, drain, undrain and remove them."),
    "clusters": Entry(
        "fleet.clusters",
        "List the clusters that run jobs by their own means (Kubernetes, Slurm); show one, declare one lost, as staff.",
    ),
    "pools": Entry(
        "fleet.pools",
        "List the pools of nodes, with how many each is to have and why; make, change and pause them, as staff.",
    ),
    "reservations": Entry("reservations", "List which nodes are kept for whom; keep more, and give them back."),
    "top": Entry("top", "Watch the services, the machines and the jobs, live, and what they cost."),
    "system": Entry(
        "fleet.system",
        "Say how the platform itself is: services, versions, clockwork, broker, books, database, settings. For staff.",
    ),
    "simulate": Entry("simulate", "Replay a trace of jobs under one or more policies, and compare."),
    "login": Entry("login", "Log in to a server, and remember it."),
    "logout": Entry("login", "Forget the server, and end the token there."),
    "profiles": Entry("profiles", "List the servers that you are logged in to; say which is used, and forget them."),
    "whoami": Entry(
        "whoami", "Say who you are on the server, your role in each project, and how long you are logged in."
    ),
    "tokens": Entry("tokens", "List your tokens; make more for scripts, and take them back."),
    "mcp": Entry("agents.mcp", "Offer the platform's tools to an agent, by the Model Context Protocol."),
    "version": Entry("version", "Print the version."),
}


class CommandsOnDemand(TyperGroup):
    """Loads a command's module when the command is called: help and typing errors come at once."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.summary) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else command, rest


def load(name: str) -> Any:
    """The command of that name, with all its options."""
    module = importlib.import_module(f"cli.commands.{COMMANDS[name].module}")
    return typer.main.get_group(module.app).commands[name]


def show_version(wanted: bool) -> None:
    if wanted:
        load("version").callback()
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version, and leave.")
]

app = typer.Typer(
    cls=CommandsOnDemand,
    help="Submit training jobs, and see what becomes of them.",
    epilog="Exit codes: 0 done, 1 refused (or the job did not complete), 2 usage, 3 server out of reach.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def remember(
    ctx: typer.Context,
    url: Url = None,
    token_file: TokenFile = None,
    profile: Profile = None,
    *,
    version: Version = False,  # noqa: ARG001  its callback has answered it
) -> None:
    ctx.obj = ServerChoice(url, token_file, profile)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command; always ends with an exit code, never with a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    as_json = wants_json(sys.argv[1:] if arguments is None else arguments)
    speak_json(on=as_json)
    try:
        code = app(arguments, prog_name="trainyard", standalone_mode=not as_json)
    except CommandError as error:
        print_failure(error.kind, error.exit_code, error.lines, **error.more)
        sys.exit(error.exit_code)
    except TyperException as error:
        print_failure("usage", error.exit_code, [error.format_message()])
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  a user gets a sentence, whatever went wrong
        if os.environ.get("TRAINYARD_DEBUG"):
            traceback.print_exc()
        print_failure("failed", 1, [f"unexpected {type(error).__name__}: {error} (TRAINYARD_DEBUG=1 shows where)"])
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def wants_json(arguments: list[str]) -> bool:
    """Whether --json stands where it is ours, so far as one can say who has not understood the rest yet."""
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in ours


if __name__ == "__main__":
    main()
