"""`trainyard clusters`, and what is done with a cluster: show, set, declare-lost."""

from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.errors import RefusedError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import refuse_unknown_cluster
from cli.options.shared import AsJson
from cli.output import note, print_json, visible
from cli.views.clusters import cluster_facts, clusters_table
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)
clusters_app = typer.Typer(rich_markup_mode=None)
app.add_typer(clusters_app, name="clusters")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="The cluster's name.", autocompletion=completing.clusters),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether that is meant.")]
Image = Annotated[str, typer.Option("--image", metavar="IMAGE", help="The container image of jobs that name none.")]


@clusters_app.callback(invoke_without_command=True)
@on_server
def clusters(server: Server, *, as_json: AsJson = False) -> None:
    """List the clusters that run jobs by their own means (Kubernetes, Slurm); show one, declare one lost, as staff."""
    rows = server.rows("clusters")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no clusters: `manage.py bridge` joins one, see docs/engines.md")
        return
    console = make_console()
    display(console, clusters_table(console, rows, server.now))


@clusters_app.command()
@on_server
def show(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Show everything about a cluster, what it cannot do included."""
    cluster = _known(server, name)
    if as_json:
        print_json(cluster)
        return
    display(make_console(), cluster_facts(cluster, server.now))


@clusters_app.command("set")
@on_server
def set_(server: Server, name: Name, image: Image, *, as_json: AsJson = False) -> None:
    """Set the container image of jobs that name none, as staff."""
    _known(server, name)
    changed = server.patch(f"clusters/{path_word(name)}", {"image": image})
    print_json(changed) if as_json else print(
        f"cluster {visible(name)}: jobs that name no image run in {visible(image)}"
    )


@clusters_app.command("declare-lost")
@on_server
def declare_lost(server: Server, name: Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Declare a silent cluster gone for good, as staff: all that ran there ends, and is tried elsewhere where it may be."""
    cluster = _known(server, name)
    if not yes:
        question = f"cluster {visible(name)}: end {cluster['running']} jobs as lost? What may still run there cannot report any more"
        typer.confirm(question, abort=True, err=True)
    answer = server.post(f"clusters/{path_word(name)}/declare-lost", {})
    print_json(answer) if as_json else print(
        f"cluster {visible(name)} is declared lost: {answer['ended']} places were given up"
    )


def _known(server: Server, name: str) -> Row:
    try:
        return server.get(f"clusters/{path_word(name)}")
    except RefusedError:
        refuse_unknown_cluster(server, name)
        raise
