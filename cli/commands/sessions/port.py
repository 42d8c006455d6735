"""`trainyard port`."""

from typing import Annotated

import typer

from cli.client.requests import Server
from cli.on_server import on_server
from cli.options.session import Rank
from cli.options.shared import JobId
from cli.output import note
from cli.sessions.forwarding import LOOPBACK, Forwarding, listen
from cli.sessions.wire import open_wire

app = typer.Typer(rich_markup_mode=None)

MOST_PORT = 65_535
Port = Annotated[
    int, typer.Argument(metavar="PORT", min=1, max=MOST_PORT, show_default=False, help="To which port of its node.")
]
LocalPort = Annotated[
    int | None,
    typer.Option(
        "--local", metavar="PORT", min=0, max=MOST_PORT, help="On which port here; 0: one that is free; else the same."
    ),
]


@app.command(name="port")
@on_server
def forward(server: Server, job_id: JobId, port: Port, local: LocalPort = None, rank: Rank = 0) -> None:
    """Reach a port of a running job from here: TensorBoard, Jupyter.

    Stays until Ctrl-C, or the job's end.

    Example: trainyard port 17 6006 --local 7007
    """
    with listen(port if local is None else local) as listener:
        wire = open_wire(server, job_id, {"kind": "port", "port": port, "rank": rank})
        forwarding = Forwarding(wire, listener)
        try:
            forwarding.start()
            forwarding.ready.wait()
            if not forwarding.over.is_set():
                forwarding.accept()
                here = listener.getsockname()[1]
                note(
                    f"{LOOPBACK}:{here} is port {port} beside job {job_id} on node {wire.opened['node']}; Ctrl-C ends it"
                )
            forwarding.over.wait()
            code = forwarding.result()
        except KeyboardInterrupt:
            code = 0
        finally:
            forwarding.close()
            wire.close()
    raise typer.Exit(code)
