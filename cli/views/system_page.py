"""How the platform itself is, as a page: what is wrong stands in red."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.text import Text

from cli.client.requests import Row
from cli.durations import parse_timestamp, spell
from cli.views.tables import Column, facts, make_table, plain

WRONG = "bold red"
STEP = 1024
UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def system_page(console: Console, told: Row, now: datetime) -> RenderableType:
    return Group(*_parts(console, told, now))


def _parts(console: Console, told: Row, now: datetime) -> Iterator[RenderableType]:
    yield facts((name, plain(part["detail"], "" if part["ok"] else WRONG)) for name, part in told["services"].items())
    yield _title("versions")
    yield facts(_versions(told["versions"]))
    yield _title("clockwork")
    yield facts(_clockwork(told, now))
    for alert in told["alerts"]:
        yield plain(f"! {alert['sentence']}", WRONG)
    yield _title("broker")
    yield _queues(console, told["queues"])
    yield _title("books")
    yield make_table(console, _audit_columns(now), told["audits"])
    yield _title("database and logs")
    yield facts(_stores(told))
    yield make_table(console, TABLE_COLUMNS, told["database"]["tables"])
    if told["pools"]:
        yield _title("pools")
        yield make_table(console, POOL_COLUMNS, told["pools"])
    if told.get("clusters"):
        yield _title("clusters")
        yield make_table(console, CLUSTER_COLUMNS, told["clusters"])
    if told["settings"]:
        yield _title("settings that somebody has set")
        yield make_table(console, SETTING_COLUMNS, told["settings"])


def _title(words: str) -> Text:
    return Text(f"\n{words}", "bold")


def _versions(known: Row) -> Iterator[tuple[str, Text]]:
    for name in ("platform", "python", "postgresql", "broker"):
        yield name, plain(known[name])
    for one in known["agents"]:
        words = f"{one['version']} on {one['nodes']} {'node' if one['nodes'] == 1 else 'nodes'}"
        yield "agents", plain(words + ", not the site's" * one["skewed"], WRONG if one["skewed"] else "")


def _clockwork(told: Row, now: datetime) -> Iterator[tuple[str, Text]]:
    cycle, beat, fleet = told["cycle"], told["beat"], told["fleet"]
    took = (
        f", took {cycle['duration_ms']:.1f} ms, placed {cycle['placed']}, {cycle['waiting']} wait"
        if cycle["started_at"]
        else ""
    )
    yield "last cycle", plain(_ago(cycle["started_at"], now) + took)
    yield "beat", plain(_ago(beat["last_tick"], now), WRONG if beat["silent"] else "")
    yield "last sweep", plain(_ago(told["sweep"]["swept_at"], now))
    for name in ("deaf", "lost"):
        if fleet[name]["count"]:
            yield f"{name} nodes", plain(f"{fleet[name]['count']}: {', '.join(fleet[name]['names'])}", WRONG)


def _ago(moment: str | None, now: datetime) -> str:
    at = parse_timestamp(moment)
    return "never" if at is None else f"{spell(max(0.0, (now - at).total_seconds()))} ago"


def _queues(console: Console, queues: Row) -> RenderableType:
    if queues["detail"]:
        return plain(queues["detail"], WRONG)
    columns = [
        Column("QUEUE", lambda row: plain(row["queue"])),
        Column("MESSAGES", lambda row: str(row["messages"]), right=True),
    ]
    table = make_table(console, columns, queues["depths"])
    return table if queues["whole"] else Group(table, plain("Not every queue could be asked in time."))


def _audit_columns(now: datetime) -> Sequence[Column]:
    return [
        Column("BOOKS", lambda row: plain(row["books"])),
        Column("AUDITED", lambda row: _ago(row["at"], now)),
        Column("DRIFT", lambda row: plain(_numbers(row["drift"]) or "none", WRONG if row["drift"] else "")),
        Column("MENDED", lambda row: plain(_numbers(row["mended"]) or "nothing"), shrinks=True),
    ]


def _numbers(known: Row) -> str:
    return ", ".join(f"{name} {value}" for name, value in known.items())


def _stores(told: Row) -> Iterator[tuple[str, Text]]:
    database, logs = told["database"], told["logs"]
    yield (
        "database",
        plain(
            f"{spell_bytes(database['bytes'])}, {database['connections']} of {database['max_connections']} connections"
        ),
    )
    free = "" if logs["free_bytes"] is None else f", {spell_bytes(logs['free_bytes'])} free"
    yield "logs", plain(f"{logs['kind']} in {logs['place']}{free}")


def spell_bytes(count: float) -> str:
    """`1.5 GB`."""
    for unit in UNITS:
        if count < STEP or unit == UNITS[-1]:
            break
        count /= STEP
    return f"{count:.4g} {unit}"


def _setting(row: Row) -> Text:
    return plain("(secret)" if row["secret"] else row["value"])


TABLE_COLUMNS = [
    Column("TABLE", lambda row: plain(row["name"])),
    Column("SIZE", lambda row: spell_bytes(row["bytes"]), right=True),
    Column("ROWS", lambda row: f"{row['rows']:,}", right=True),
]
CLUSTER_COLUMNS = [
    Column("CLUSTER", lambda row: plain(row["name"])),
    Column("KIND", lambda row: plain(row["kind"])),
    Column("STATE", lambda row: plain("reached" if row["reached"] else "silent")),
    Column("FAULT", lambda row: plain(row["fault"], WRONG), shrinks=True),
]
POOL_COLUMNS = [
    Column("POOL", lambda row: plain(row["name"])),
    Column("ACTUATOR", lambda row: plain(row["actuator"])),
    Column("BUSY", lambda row: plain(row["busy_nodes"]), right=True),
    Column("TO HAVE", lambda row: plain(row["desired_nodes"]), right=True),
    Column("WHY", lambda row: plain(row["fault"] or row["why"], WRONG if row["fault"] else ""), shrinks=True),
]
SETTING_COLUMNS = [
    Column("SETTING", lambda row: plain(row["name"])),
    Column("VALUE", _setting, shrinks=True),
    Column("FROM", lambda row: plain(row["source"]), yields=1),
]
