"""`trainyard version`."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def version() -> None:
    """Print the version."""
    print(f"trainyard {number()}" if number() else "trainyard, not installed: run from its source")


def number() -> str:
    """The version of the distribution that holds us; empty where none does."""
    for distribution in ("trainyard", "trainyard-cli"):
        try:
            return installed(distribution)
        except PackageNotFoundError:
            continue
    return ""
