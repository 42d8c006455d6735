"""`manage.py demo`: start everything, train a sweep of real models, show what came out."""

import secrets
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from local_stack.demo import best_model, following, results, sweep
from local_stack.demo.pool_changes import PoolChanges
from local_stack.demo.private_stack import private_stack
from local_stack.demo.rest import DemoRest, RefusedError
from local_stack.rest import NoAnswerError
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home
from trainyard.errors import TrainyardError

SWEEP_SECONDS = 240
SHRINK_SECONDS = 60
MODEL_FOLDER = "demo-model"


class Command(BaseCommand):
    """Exits with 0 only when every run completed, the best one is as good as this training gets, and its model says so here."""

    help = "Train a sweep of real models on a local stack of its own, and show the results."
    requires_system_checks = []  # the database that they ask about is not there yet

    def handle(self, **_: Any) -> None:
        # In a file a line may be as long as it needs to be.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
        home = Home(settings.TRAINYARD_HOME)
        try:
            home.prepare()
            log = home.folder / "demo.log"
            console.print(f"Starting the platform in {home.folder} (its output: {log})", soft_wrap=True)
            with private_stack(home, log) as rest:
                problems = demonstrate(rest, console, home.folder / MODEL_FOLDER)
        except (StackError, RefusedError, NoAnswerError, TrainyardError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped before the end, and the platform with it.", returncode=130) from None
        if problems:
            raise CommandError("\n".join([*problems, f"What the platform said: {log}"]))
        console.print(
            "Everything completed. `make up` keeps the platform running, with these runs in its admin.", soft_wrap=True
        )


def demonstrate(rest: DemoRest, console: Console, folder: Path) -> list[str]:
    """Submit the sweep, follow it, print the results, have the best model in the folder; returns what is wrong with them."""
    for node in rest.nodes():
        if node["state"] == "up":
            console.print(f"Node {node['name']}: {described(node)}")
    workload, began, reasons = f"demo-{secrets.token_hex(4)}", time.monotonic(), following.Reasons()
    with sweep.code_of_nobody() as code:
        snapshot = rest.send_code(code, sweep.PROJECT)
    console.print("Sent the code along, from a folder that no node has: each run gets a copy of its own")
    jobs = sweep.runs(workload, snapshot)
    rest.submit(jobs, workload)
    console.print(f"Submitted {len(jobs)} training runs: urgent, normal and background, with and without a GPU")
    pool = PoolChanges(rest, console)
    seen = following.follow(rest, workload, console=console, reasons=reasons, seconds=SWEEP_SECONDS, look=pool.look)
    console.print(results.results_table(seen), results.waits_table(seen, reasons))
    took = time.monotonic() - began
    whole = rest.workload(workload)
    console.print(
        f"\nWorkload {workload} is {whole['state']}: {whole['done']} of {whole['jobs']} runs have ended, in {took:.0f} s",
        soft_wrap=True,
    )
    problems = results.shortcomings(seen, expected=len(jobs)) or _best_model(rest, seen, folder, console)
    if not pool.until_empty(SHRINK_SECONDS):
        console.print("The pool has not shrunk yet: nodes go some time after their last job", soft_wrap=True)
    return problems


def _best_model(rest: DemoRest, jobs: list[following.Job], folder: Path, console: Console) -> list[str]:
    """Fetch it and say what it is worth; returns what is wrong with it."""
    try:
        found = best_model.fetch_and_score(rest, max(jobs, key=results.accuracy), folder)
    except (best_model.NoModelError, TrainyardError) as error:
        return [str(error)]
    console.print(found.told(len(jobs)), soft_wrap=True)
    return found.shortcomings()


def described(node: dict[str, Any]) -> str:
    gpus = node["gpus"]
    simulated = sum(bool(gpu.get("simulated")) for gpu in gpus)
    remark = f", {simulated} of them simulated: this machine has no more" if simulated else ""
    return f"{node['cpus']} CPUs, {len(gpus)} GPUs{remark}"
