"""`trainyard explain`."""

import typer

from cli.client import Row, Server
from cli.durations import spell_moment
from cli.job_page import reasons_list
from cli.on_server import on_server
from cli.options import AsJson, JobId
from cli.output import print_json
from cli.tables import coloured_state, display, facts, make_console

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def explain(server: Server, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Say why a job waits, and until when."""
    answer = server.get(f"jobs/{job_id}/explain")
    if as_json:
        print_json(answer)
        return
    waits = answer["state"] == "pending"
    display(
        make_console(),
        facts(
            [
                ("state", coloured_state(answer["state"])),
                ("waits because", reasons_list(answer["reasons"]) if waits else ""),
                ("place in line", spell_place(answer)),
                ("predicted start", spell_moment(answer["predicted_start"]) if waits else ""),
            ]
        ),
    )


def spell_place(answer: Row) -> str:
    """`2 of 5`; nothing for a job that does not wait."""
    return f"{answer['position']} of {answer['line_length']}" if answer["position"] else ""
