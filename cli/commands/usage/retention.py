"""`trainyard retention`."""

import math
from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options.known_values import in_project
from cli.options.shared import DEFAULT_PROJECT, AsJson, ProjectName
from cli.options.values import understand
from cli.output import print_json, visible

app = typer.Typer(rich_markup_mode=None)

Days = Annotated[int | None, typer.Option("--days", metavar="N", help="Delete jobs N days after their end.")]
OutputDays = Annotated[
    str | None,
    typer.Option(
        "--output-days", metavar="N", help="Forget what jobs have left N days after their end; job: with the job."
    ),
]
OutputGb = Annotated[
    str | None,
    typer.Option(
        "--output-gb", metavar="GB", help="Keep so much of what jobs have left in all; none: as the project above."
    ),
]
Forever = Annotated[bool, typer.Option("--forever", help="Keep them for ever.")]
Inherit = Annotated[bool, typer.Option("--inherit", help="Have it as the project above has it.")]


@app.command()
@on_server
def retention(
    server: Server, project: ProjectName = DEFAULT_PROJECT, *, days: Days = None, forever: Forever = False,
    output_days: OutputDays = None, output_gb: OutputGb = None, inherit: Inherit = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say for how long a project's jobs, and what they leave, are kept after their end; set it.

    And how much of what they leave is kept in all.

    Example: trainyard retention --project vision --days 90
    """
    if (days is not None) + forever + inherit > 1:
        raise UsageError("--days, --forever and --inherit each say how long: give one of them.")
    body: dict[str, float | None] = {"job_days": days} if days is not None or forever else {}
    if output_days is not None:
        body["output_days"] = understand(parse_output_days, "--output-days", output_days)
    if output_gb is not None:
        body["output_gb"] = understand(parse_output_gb, "--output-gb", output_gb)
    if inherit and body:
        raise UsageError("--inherit takes back what the project says itself: give it alone.")
    path = f"projects/{path_word(project)}/retention"
    with in_project(server, project):
        if inherit:
            server.delete(path)
        elif body:
            server.patch(path, body)
        answer = server.get(path)
    if as_json:
        print_json(answer)
    else:
        print(sentence(answer))


def sentence(answer: Row) -> str:
    """Such as: Jobs of vision are kept for 90 days after their end, as org has it."""
    kept = "for ever" if answer["job_days"] is None else f"for {answer['job_days']} days after their end"
    of = answer["from_project"]
    whose = "by a rule of its own" if of == answer["project"] else f"as {visible(of) if of else 'the platform'} has it"
    outputs = (
        "as long as these" if answer["output_days"] is None else f"for {answer['output_days']} days after their end"
    )
    limited = "" if answer.get("output_gb") is None else f" {most_kept(answer)}"
    return f"Jobs of {visible(answer['project'])} are kept {kept}, {whose}; what they have left, {outputs}.{limited}"


def most_kept(answer: Row) -> str:
    """Such as: It keeps 12.5 GB of that, and at most 100 GB may be kept in org."""
    most, of = answer["output_gb"], answer["output_gb_from_project"]
    return f"It keeps {answer['outputs_kept_gb']:g} GB of that, and at most {most:g} GB may be kept in {visible(of)}."


def parse_output_gb(text: str) -> float | None:
    """`100`, or `none`."""
    if text == "none":
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ValueError("write a number of gigabytes, or none.")
    return found


def parse_output_days(text: str) -> int | None:
    """`30`, or `job`: as long as the job."""
    if text == "job":
        return None
    if not text.isascii() or not text.isdecimal():
        raise ValueError("write a number of days, or job.")
    return int(text)
