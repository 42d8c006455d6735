"""One look at the whole yard: the machines, what runs, and what waits for what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.text import Text

from cli.client.requests import Row, Server
from cli.views.jobs import spell_hardware, spell_priority, spell_reason, spell_run, spell_wait
from cli.views.money import spell_money
from cli.views.nodes import nodes_table, spell_state
from cli.views.tables import Column, bar, coloured_state, make_table, plain

MOST_ROWS = 200
HEADINGS = 11
"""Lines of a frame that hold no row: titles, headers, blanks between them."""
LEAST_ROWS = 6


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the server said at one moment."""

    url: str
    now: datetime
    nodes: Sequence[Row]
    placed: Sequence[Row]
    waiting: Sequence[Row]
    yard: Row


def fetch_snapshot(server: Server) -> Snapshot:
    nodes = server.rows("nodes")
    placed = server.rows("jobs", state=["running", "assigned", "queued"], limit=MOST_ROWS)
    waiting = server.rows("jobs", state="pending", ordering="-priority", limit=MOST_ROWS)
    waiting.sort(key=lambda job: (job.get("position") or len(waiting) + MOST_ROWS, job["id"]))
    return Snapshot(server.connection.url, server.now, nodes, placed, waiting, server.get("dashboard"))


def frame(console: Console, snapshot: Snapshot, *, lines: int | None = None) -> RenderableType:
    """The snapshot as one screen of at most `lines`; without a limit, all of it."""
    nodes, placed, waiting = _rooms(snapshot, lines)
    return Group(
        _headline(snapshot),
        services_line(snapshot.yard.get("services", {})),
        _sums(snapshot.yard),
        nodes_table(console, snapshot.nodes[:nodes], snapshot.now),
        _heading("running", snapshot.placed, placed),
        make_table(console, _running_columns(snapshot.now), snapshot.placed[:placed]),
        _heading("waiting", snapshot.waiting, waiting),
        make_table(console, _waiting_columns(snapshot.now), snapshot.waiting[:waiting]),
    )


def _rooms(snapshot: Snapshot, lines: int | None) -> tuple[int, int, int]:
    """How many rows of nodes, running and waiting jobs to show: what one part leaves free, the next may use."""
    if lines is None:
        return len(snapshot.nodes), len(snapshot.placed), len(snapshot.waiting)
    room = max(lines - HEADINGS, LEAST_ROWS)
    nodes = min(len(snapshot.nodes), room // 3)
    placed = min(len(snapshot.placed), max((room - nodes) // 2, room - nodes - len(snapshot.waiting)))
    return nodes, placed, room - nodes - placed


def _headline(snapshot: Snapshot) -> Text:
    states = Counter(spell_state(node).plain for node in snapshot.nodes)
    nodes = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    clock = snapshot.now.astimezone().strftime("%H:%M:%S")
    return Text.assemble(("trainyard ", "bold"), f"{snapshot.url}  {clock}  nodes: {nodes}")


def services_line(services: Row) -> Text:
    """The services of the platform in a line; what is wrong with one stands in red."""
    parts = [Text("services: ")]
    for name, part in services.items():
        words = "ok" if part["ok"] and name != "agents" else part["detail"]
        parts.append(Text.assemble(f"{name} ", plain(words, "" if part["ok"] else "bold red"), "  "))
    return Text.assemble(*parts) if services else Text("")


def _sums(yard: Row) -> Text:
    """Your jobs by state, and what they cost."""
    jobs = ", ".join(f"{count} {state}" for state, count in yard.get("jobs", {}).items() if count) or "none"
    cost = yard.get("cost")
    if not cost:
        return Text(f"jobs: {jobs}\n")
    paid = f"today {spell_money(cost['today'])} {cost['currency']}, this month {spell_money(cost['month'])}"
    return Text(f"jobs: {jobs}  cost: {paid}, expected of what waits {spell_money(cost['pending'])}\n")


def _heading(what: str, jobs: Sequence[Row], shown: int) -> Text:
    count = f"{MOST_ROWS} or more" if len(jobs) >= MOST_ROWS else str(len(jobs))
    hidden = f", the first {shown} shown" if shown < len(jobs) else ""
    return Text.assemble("\n", (what, "bold"), f" {count}{hidden}")


def _running_columns(now: datetime) -> list[Column]:
    return [
        Column("ID", lambda job: str(job["id"]), right=True),
        Column("NAME", lambda job: plain(job["name"]), shrinks=True),
        Column("PROJECT", lambda job: plain(job["project"]), yields=3),
        Column("HARDWARE", lambda job: plain(spell_hardware(job["resources"])), yields=2),
        Column("STATE", lambda job: coloured_state(job["state"])),
        Column("NODE", lambda job: plain(job.get("node"))),
        Column("PROGRESS", lambda job: bar(job.get("progress"))),
        Column("RAN", lambda job: spell_run(job, now), right=True),
    ]


def _waiting_columns(now: datetime) -> list[Column]:
    return [
        Column("ID", lambda job: str(job["id"]), right=True),
        Column("NAME", lambda job: plain(job["name"]), shrinks=True),
        Column("QUEUE", lambda job: plain(job["queue"]), yields=3),
        Column("PRIORITY", lambda job: spell_priority(job["priority"]), yields=2),
        Column("HARDWARE", lambda job: plain(spell_hardware(job["resources"])), yields=2),
        Column("WAITED", lambda job: spell_wait(job, now), right=True),
        Column("REASON", lambda job: plain(spell_reason(job)), shrinks=True),
    ]
