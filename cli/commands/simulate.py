"""`trainyard simulate`: needs no server."""

import importlib
import json
from typing import Annotated, Any

import typer

from cli.client.requests import Row
from cli.errors import CommandError, UsageError
from cli.options.groups import grouped
from cli.output import note
from cli.simulate.jitter import heading, jitter_row, jitter_table
from cli.simulate.options import ExperimentOptions, OutputOptions, SchedulingOptions
from cli.simulate.results import Scheduled, print_csv, results_table, shown_progress
from cli.views.tables import display, make_console, plain
from simulator.experiment import Experiment
from simulator.processes import replay_with_jitter
from simulator.settings import InvalidError, Settings
from simulator.trace import SimulationError

app = typer.Typer(rich_markup_mode=None)

Trace = Annotated[
    str,
    typer.Argument(
        metavar="TRACE",
        show_default=False,
        help="A file in SWF, as the Parallel Workloads Archive has them, or in our CSV, also compressed; or synthetic:JOBS[:SEED] for made-up jobs.",
    ),
]


@app.command()
@grouped
def simulate(trace: Trace, jobs: ExperimentOptions, how: SchedulingOptions, output: OutputOptions) -> None:
    """Replay a trace of jobs under one or more policies, and compare.

    The planner is the platform's own; time is simulated. Waits are those from submission to start.
    """
    try:
        settings = how.settings()
        experiment = jobs.prepared(trace)
        done = [run(experiment, one) for one in settings]
        jitter = jitter_rows(experiment, settings, output.jitter)
    except InvalidError as error:
        raise UsageError(*(f"--{one.field}: {one.message}" for one in error.errors)) from error
    except SimulationError as error:
        raise CommandError(str(error)) from error
    except ModuleNotFoundError as error:
        raise missing(error, "This placement") from error
    if output.plots:
        drawn = {f"{one.settings.rules.policy}": one.result.outcome for one in done}
        pictures().draw(drawn, experiment.cluster, output.plots)
    rows = [one.row(experiment, done[0]) | {"jitter": chance} for one, chance in zip(done, jitter, strict=True)]
    show(experiment, rows, output)


def pictures() -> Any:
    """What draws. It takes a second to load, which nobody should wait for who draws nothing."""
    try:
        return importlib.import_module("simulator.plots")
    except ModuleNotFoundError as error:
        raise missing(error, "--plots") from error


def missing(error: ModuleNotFoundError, who: str) -> CommandError:
    """The command line alone brings neither numpy nor matplotlib."""
    return CommandError(f"{who} needs {error.name}: pip install 'trainyard-cli[simulate]'")


def run(experiment: Experiment, settings: Settings) -> Scheduled:
    with shown_progress(experiment.jobs) as begin:
        return Scheduled(settings, experiment.run(settings, begin(settings.rules.policy)))


def jitter_rows(experiment: Experiment, settings: list[Settings], times: int | None) -> list[Row | None]:
    """For each of the settings how far its figures are chance; None if nobody has asked."""
    if times is None:
        return [None for _ in settings]
    with shown_progress(len(settings) * times) as begin:
        replays = replay_with_jitter(experiment, settings, times, begin("arrivals moved"))
    first = settings[0].rules.policy
    return [jitter_row(one, first, None if one is replays[0] else replays[0]) for one in replays]


def show(experiment: Experiment, rows: list[Row], output: OutputOptions) -> None:
    if output.as_json:
        for row in rows:
            print(json.dumps(row))
        return
    if output.csv:
        print_csv(rows)
        return
    note(f"{experiment.source}: {experiment.said}.")
    console = make_console()
    display(console, results_table(console, rows))
    if rows[0]["jitter"]:
        display(console, plain(""), plain(heading(rows)), jitter_table(console, rows))
