"""Pools of nodes, in words."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import spell, spell_moment
from cli.output import visible
from cli.views.tables import Column, coloured_state, facts, make_table, plain


def number(value: int | None) -> str:
    """Nobody has decided yet: a dash."""
    return "-" if value is None else str(value)


COLUMNS = [
    Column("POOL", lambda pool: plain(pool["name"])),
    Column("STATE", lambda pool: coloured_state(state_of(pool))),
    Column("BUSY", lambda pool: number(pool["busy_nodes"]), right=True),
    Column("WANTED", lambda pool: number(pool["wanted_nodes"]), right=True),
    Column("TO HAVE", lambda pool: number(pool["desired_nodes"]), right=True),
    Column("OF", lambda pool: f"{pool['min_nodes']}-{pool['max_nodes']}"),
    Column("WAITING", lambda pool: number(pool["waiting_jobs"]), right=True),
    Column("EACH", lambda pool: plain(spell_shape(pool))),
    Column("WHY", lambda pool: plain(pool["fault"] or pool["why"]), shrinks=True, yields=1),
]


def pools_table(console: Console, pools: Iterable[Row]) -> Table:
    return make_table(console, COLUMNS, pools)


def state_of(pool: Row) -> str:
    """`paused`, `failing`, or who acts for it."""
    if pool["paused"]:
        return "paused"
    if pool["fault"]:
        return "failing"
    return "watched" if pool["actuator"] == "none" else str(pool["actuator"])


def spell_shape(pool: Row) -> str:
    """`2 CPUs, 8 GB` or `16 CPUs, 128 GB, 4 x H100`."""
    cpus = "1 CPU" if pool["cpus"] == 1 else f"{pool['cpus']} CPUs"
    gpus = f", {pool['gpus']} x {pool['gpu_model'] or 'GPU'}" if pool["gpus"] else ""
    return f"{cpus}, {pool['memory_gb']:g} GB{gpus}"


def spell_pool(pool: Row) -> str:
    """`pool small, local: 0 to 4 nodes with 2 CPUs, 8 GB`."""
    most = pool["max_nodes"]
    bounds = f"{pool['min_nodes']} to {most} node{'' if most == 1 else 's'}"
    return f"pool {visible(pool['name'])}, {state_of(pool)}: {bounds} with {visible(spell_shape(pool))}"


def pool_facts(pool: Row) -> Table:
    return facts((name, plain(words)) for name, words in _facts(pool) if words)


def _facts(pool: Row) -> Iterator[tuple[str, str]]:
    yield "pool", spell_pool(pool).removeprefix("pool ")
    yield "labels", ", ".join(f"{name}={value}" for name, value in sorted(pool["labels"].items()))
    yield "spare", f"{pool['spare_nodes']} kept free" if pool["spare_nodes"] else ""
    yield "consolidates", "jobs move together where that pays" if pool["consolidate"] else ""
    yield "stays", spell(pool["lifetime_seconds"]) if pool.get("lifetime_seconds") else ""
    yield "starts in", spell(pool["startup_seconds"])
    pace = f"grows after {spell(pool['scale_up_seconds'])}, shrinks after {spell(pool['scale_down_seconds'])}"
    yield "pace", pace
    if pool["decided_at"]:
        yield "to have", f"{pool['desired_nodes']} ({pool['why']})"
        yield "wanted", f"{pool['wanted_nodes']}; {pool['busy_nodes']} hold jobs, {pool['waiting_jobs']} jobs wait"
        yield "idle", ", ".join(pool["idle_nodes"])
        yield "moves", _spell_emptying(pool["emptying"]) if pool["emptying"] else ""
        yield "decided", spell_moment(pool["decided_at"])
    yield "acted", spell_moment(pool["acted_at"]) if pool["acted_at"] else ""
    yield "fault", pool["fault"]


def _spell_emptying(found: Row) -> str:
    """`jobs 17, 18 have room on other nodes than small-2: saves 4.2 GPU-hours, costs 0.1`."""
    ids = ", ".join(map(str, found["jobs"]))
    who = f"job {ids} has" if len(found["jobs"]) == 1 else f"jobs {ids} have"
    saved, lost = found["gain"] / 3600, found["cost"] / 3600
    return f"{who} room on other nodes than {found['node']}: saves {saved:.1f} GPU-hours, costs {lost:.1f}"
