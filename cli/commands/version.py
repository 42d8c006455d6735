"""`trainyard version`."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def version() -> None:
    """Print the version."""
    for distribution in ("trainyard", "trainyard-cli"):
        try:
            print(f"trainyard {installed(distribution)}")
        except PackageNotFoundError:
            continue
        return
    print("trainyard, not installed: run from its source")
