"""`trainyard version`."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def version() -> None:
    """Print the version."""
    try:
        print(f"trainyard {installed('trainyard')}")
    except PackageNotFoundError:
        print("trainyard, not installed: run from its source")
