"""What sessions beside jobs share."""

from typing import Annotated

import typer

Rank = Annotated[
    int, typer.Option("--rank", metavar="N", min=0, help="Of a job over several nodes: beside this member of it.")
]
