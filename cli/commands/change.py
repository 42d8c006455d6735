"""`trainyard change`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client.requests import Server
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options.choosing import Chosen, Words, ask_many, report, selection
from cli.options.shared import AsJson
from cli.options.values import parse_labels
from cli.submission.job_request import parse_priority, without_gaps

app = typer.Typer(rich_markup_mode=None)
WORDS = Words("change", "changed", "")
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; stands in the job's history.")]
SomeIds = Annotated[list[int] | None, typer.Argument(metavar="[ID...]", show_default=False, help="The jobs' numbers.")]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is to be different."""

    priority: Annotated[
        str | None,
        typer.Option("--set-priority", metavar="WORD", help="urgent, normal, background or a number, 0 to 100."),
    ] = None
    into: Annotated[str | None, typer.Option("--set-queue", metavar="NAME", help="The queue to wait in.")] = None
    labels: Annotated[
        list[str] | None,
        typer.Option("--set-label", metavar="K=V", help="Its labels from now on. May be repeated; the others go."),
    ] = None

    def body(self) -> dict[str, Any]:
        labels = parse_labels("--set-label", self.labels or [])
        return without_gaps({"priority": parse_priority(self.priority), "queue": self.into, "labels": labels})


@app.command()
@on_server
def change(
    server: Server,
    terms: Terms,
    chosen: Chosen,
    job_ids: SomeIds = None,
    *,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Give waiting jobs another priority, queue or labels.

    Those with these numbers, or those that match. Example: trainyard change --queue batch --mine --set-priority background
    """
    which, body = selection(job_ids, chosen), terms.body()
    if not body:
        raise UsageError("say what to change: --set-priority, --set-queue or --set-label.")
    body |= {"reason": reason} if reason else {}
    report(ask_many(server, "jobs", which, chosen, body, WORDS), WORDS, as_json=as_json)
