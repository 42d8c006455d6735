"""How far the figures are chance: the replays with moved arrivals, for people and for programs."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import spell
from cli.simulate.results import UNKNOWN
from cli.views.tables import Column, make_table, plain
from simulator.jitter import MOST_S, ratio_spreads, spreads
from simulator.metrics import Metrics

COLUMNS = {"MEAN WAIT": "mean_wait_s", "P95": "p95_wait_s", "MAX": "max_wait_s", "SLOWDOWN": "mean_bounded_slowdown"}


def jitter_row(replays: Sequence[Metrics], first: str, others: Sequence[Metrics] | None) -> Row:
    """All that a program may want to know; beside the first policy, if this is another."""
    beside = ratio_spreads(replays, others) if others else {}
    row: Row = {"replays": len(replays), "up_to_s": MOST_S, "compared_with": first if others else None}
    for name, spread in spreads(replays).items():
        row[name] = {"median": spread.median, "worst": spread.worst}
        if ratio := beside.get(name):
            row[name] |= {"median_ratio": ratio.median, "worst_ratio": ratio.worst}
    return row


def heading(rows: Sequence[Row]) -> str:
    replays = rows[0]["jitter"]["replays"]
    return f"Each arrival moved by up to a minute, {replays:,} {'replays' if replays > 1 else 'replay'}:"


def jitter_table(console: Console, rows: Iterable[Row]) -> Table:
    """Two lines a policy, and two for what is its part of the first one's."""
    columns = [Column("POLICY", lambda line: plain(line["policy"])), Column("OF ALL", itemgetter("of"))]
    columns += [Column(title, itemgetter(name), right=True) for title, name in COLUMNS.items()]
    return make_table(console, columns, [line for row in rows for line in _lines(row)])


def _lines(row: Row) -> Iterable[Row]:
    policy, jitter = row["policy"], row["jitter"]
    for of in ("median", "worst"):
        yield {"policy": policy, "of": of} | {name: _spelt(name, jitter[name][of]) for name in COLUMNS.values()}
    if jitter["compared_with"]:
        for of in ("median", "worst"):
            ratios = {name: _ratio(jitter[name].get(f"{of}_ratio")) for name in COLUMNS.values()}
            yield {"policy": f"{policy} / {jitter['compared_with']}", "of": of} | ratios


def _spelt(name: str, value: float) -> str:
    return spell(value) if name.endswith("_s") else f"{value:,.2f}"


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}x"
