"""What `trainyard submit` can be told about many jobs of one command."""

from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """As typed; all left open: one job is meant."""

    array: Annotated[
        str | None,
        typer.Option(
            "--array", metavar="RANGE",
            help="A job for each number: 0-99, 1,4,7 or 0-20:5; 0-99%10 runs 10 at once. It finds its own in TRAINYARD_ARRAY_INDEX.",
        ),
    ] = None  # fmt: skip
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", metavar="NAME=V,V",
            help="A job for each value, with several of them for each combination: {NAME} in the command, else --NAME=V behind it.",
        ),
    ] = None  # fmt: skip
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", metavar="N",
            help="So many combinations at random; then also --sweep lr=log:1e-4..1e-1 and --sweep width=16..256.",
        ),
    ] = None  # fmt: skip
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, other samples.")] = 0
    max_running: Annotated[
        int | None, typer.Option("--max-running", min=1, metavar="N", help="So many of them at once.")
    ] = None
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", help="The first of them that fails cancels the others.")
    ] = False
