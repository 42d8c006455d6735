"""`trainyard whoami`."""

import typer

from cli.client.requests import Server
from cli.durations import spell_moment
from cli.on_server import on_server
from cli.options.shared import AsJson
from cli.output import print_json
from cli.views.tables import display, facts, make_console, plain

app = typer.Typer(rich_markup_mode=None)
MOST_PROJECTS = 20


@app.command()
@on_server
def whoami(server: Server, *, as_json: AsJson = False) -> None:
    """Say who you are on the server, your role in each project, and how long you are logged in."""
    me = server.get("whoami")
    if as_json:
        print_json(me)
        return
    token = me["token"] or {}
    roles = [f"{one['project']} ({one['role']})" for one in me["projects"]]
    shown = ", ".join(roles[:MOST_PROJECTS]) + (
        f" and {len(roles) - MOST_PROJECTS} more" * (len(roles) > MOST_PROJECTS)
    )
    known = [
        ("user", plain(me["user"])),
        ("server", plain(server.connection.url)),
        ("known from", plain(server.connection.source)),
        ("staff", plain("yes: an admin of every project" if me["staff"] else "no")),
        ("projects", plain(shown or "none: ask an admin of a project to take you in")),
        ("token until", plain(spell_moment(token["expiry"]) if token.get("expiry") else "")),
    ]
    display(make_console(), facts(known))
