"""What the person at the terminal is told once the stack is up: where everything is, and how to get in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from local_stack.servers.home import Home
from local_stack.servers.ports import LOOPBACK


@dataclass(frozen=True)
class Addresses:
    """Where the stack's two web servers listen."""

    web_port: int
    flower_port: int

    @property
    def web(self) -> str:
        return f"http://{LOOPBACK}:{self.web_port}"

    @property
    def flower(self) -> str:
        return f"http://{LOOPBACK}:{self.flower_port}"

    def for_the_command_line(self, flower_password: str) -> dict[str, str]:
        return {"url": self.web, "flower_url": self.flower, "flower_password": flower_password}


def show_banner(addresses: Addresses, home: Home, *, seconds: float) -> None:
    """Passwords and the token are shown to a person at a terminal alone: what is written to a file is kept and sent on."""
    console = Console(highlight=False)
    known = json.loads(home.credentials.read_text(encoding="utf-8"))
    rows = Table.grid(padding=(0, 2))
    rows.add_row("Admin", f"{addresses.web}/admin/")
    rows.add_row("API", f"{addresses.web}/api/v1/schema/")
    rows.add_row("Flower", addresses.flower)
    rows.add_row("Data", str(home.folder))
    rows.add_row("", "credentials.json in there has the ways in; `trainyard` reads it")
    if console.is_terminal:
        _add_ways_in(rows, known)
    _print(console, rows, f"Trainyard is up after {seconds:.1f} s; Ctrl-C stops it")


def _add_ways_in(rows: Table, known: Mapping[str, str]) -> None:
    password = f"password {known['admin_password']}" if known["admin_password"] else "the password that you gave it"
    rows.add_row("Sign in", f"admin: user {known['admin_user']}, {password}")
    rows.add_row("", f"API: token {known['token']}")
    rows.add_row("", f"Flower: user {known['admin_user']}, password {known['flower_password']}")


def _print(console: Console, rows: Table, title: str) -> None:
    if console.is_terminal:
        console.print(Panel.fit(rows, title=title, border_style="green"))
    else:  # a log file: whatever its width, no line is broken
        Console(highlight=False, width=200).print(title, rows)
