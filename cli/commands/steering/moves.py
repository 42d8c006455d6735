"""`trainyard migrate`, and `trainyard migrations` with what is done about them: cancel, rollback."""

from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.durations import spell, spell_moment
from cli.errors import RefusedError
from cli.on_server import on_server
from cli.options import completing
from cli.options.shared import AsJson, JobId
from cli.output import note, print_json
from cli.views.tables import Column, coloured_state, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
migrations_app = typer.Typer(rich_markup_mode=None)
app.add_typer(migrations_app, name="migrations")

To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="NODE", help="Where it is to go on; any other node without it.", autocompletion=completing.nodes
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")]
Force = Annotated[bool, typer.Option("--force", help="Also a job that writes no checkpoints: it begins anew.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who wonder.")]
OfJob = Annotated[
    int | None, typer.Option("--job", metavar="ID", help="Of this job.", autocompletion=completing.job_ids)
]
OfProject = Annotated[
    str | None, typer.Option("--project", "-p", metavar="NAME", help="Of its jobs.", autocompletion=completing.projects)
]
OfNode = Annotated[
    str | None, typer.Option("--node", "-n", metavar="NODE", help="From it, or to it.", autocompletion=completing.nodes)
]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="So many of the newest.")]
UNDER_WAY = ("stopping", "stopped", "placed")


@app.command()
@on_server
def migrate(
    server: Server,
    job_id: JobId,
    *,
    to: To = None,
    dry_run: DryRun = False,
    force: Force = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Move a running job to another node, where it goes on from its checkpoint.

    Room is kept for it there while it stops; nobody else is displaced. With --dry-run it says from where to where, what
    is done again, and what stands against it. Example: trainyard migrate 7 --to n2 --reason "n1 is noisy"
    """
    body = {"node": to, "reason": reason, "force": force, "dry_run": dry_run}
    answer = server.post(f"jobs/{job_id}/migrations", body)
    if as_json:
        print_json(answer)
    elif dry_run:
        print(spell_plan(answer))
    else:
        print(spell_begun(answer))
    if dry_run and not answer["possible"]:
        raise RefusedError(*(one["sentence"] for one in answer["obstacles"]))


@migrations_app.callback(invoke_without_command=True)
@on_server
def migrations(
    server: Server,
    *,
    job: OfJob = None,
    project: OfProject = None,
    node: OfNode = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List where jobs have moved, and why; call moves off, and take them back."""
    rows = server.rows("migrations", limit=limit, job=job, project=project, node=node)
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no job has moved yet")
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@migrations_app.command()
@on_server
def cancel(server: Server, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Call a job's move off, as long as it has no place at its target."""
    found = latest(server, job_id, UNDER_WAY, "is not being moved")
    path = f"jobs/{job_id}/migrations/{found['id']}"
    server.delete(path)
    answer = server.get(path)
    print_json(answer) if as_json else print(f"job {job_id} is not moved: migration {found['id']} is {answer['state']}")


@migrations_app.command()
@on_server
def rollback(server: Server, job_id: JobId, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Move a job back to where its last move took it from."""
    found = latest(server, job_id, ("done",), "has not moved")
    answer = server.post(f"jobs/{job_id}/migrations/{found['id']}/rollback", {"reason": reason})
    print_json(answer) if as_json else print(spell_begun(answer))


def latest(server: Server, job_id: int, states: tuple[str, ...], otherwise: str) -> Row:
    """The job's newest migration in one of these states; refuses in words where there is none."""
    for row in server.rows(f"jobs/{job_id}/migrations"):
        if row["state"] in states:
            return row
    raise RefusedError(f"job {job_id} {otherwise}.")


def spell_begun(row: Row) -> str:
    where = ", ".join(row["targets"]) or "any node"
    return f"job {row['job']} moves from {', '.join(row['sources'])} to {where} (migration {row['id']})"


def spell_plan(plan: Row) -> str:
    """One line: `job 7 would move from n1 to n2; 1m 30s of its work are done again`."""
    if not plan["possible"]:
        return f"job {plan['job']} cannot be moved"
    lost = spell(plan["lost_seconds"])
    return f"job {plan['job']} would move from {', '.join(plan['sources'])} to {', '.join(plan['targets'])}; {lost} of its work are done again"


COLUMNS = [
    Column("ID", lambda row: plain(row["id"])),
    Column("JOB", lambda row: plain(row["job"])),
    Column("STATE", lambda row: coloured_state(row["state"])),
    Column("FROM", lambda row: plain(", ".join(row["sources"]))),
    Column("TO", lambda row: plain(", ".join(row["nodes"] or row["targets"]) or "any")),
    Column("BY", lambda row: plain(row["asked_by"] or row["origin"])),
    Column("WHEN", lambda row: spell_moment(row["created_at"])),
    Column("TOOK", lambda row: "" if row["took_seconds"] is None else spell(row["took_seconds"])),
    Column("LOST", lambda row: "" if row["lost_seconds"] is None else spell(row["lost_seconds"])),
    Column("WHY", lambda row: plain(row["message"] or row["reason"]), shrinks=True),
]
