"""`python -m tests.engines`: start everything, run the sweep everywhere, show what came of it, stop everything."""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from local_stack.demo import following
from local_stack.demo.private_stack import private_stack
from local_stack.demo.rest import RefusedError
from local_stack.rest import NoAnswerError
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home
from local_stack.servers.roles import CHECKOUT
from tests.engines import clusters, outcome, prerequisites, sweep

PLATFORM_LOG = "platform.log"
SWEEP_SECONDS = 300
LAST_LINES = 8
OURS = (PLATFORM_LOG, "bridge-*.log")
THEIRS = ("slurm/*.log", "kubernetes/*.log")
FAULTS = (StackError, RefusedError, NoAnswerError, AssertionError, OSError, subprocess.SubprocessError)
ABSENT, INTERRUPTED = 2, 130
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OTHERS = ("TRAINYARD_", "DATABASE_", "BROKER_", "SLURM_", "EXECUTOR_SLURM_", "KUBECONFIG")


def main() -> int:
    """The exit code: 0 if all completed, 1 if not, 2 if something has to be fetched first, 130 after Ctrl-C."""
    wanted = arguments()
    if absent := prerequisites.absent():
        sys.stderr.write("\n".join(absent) + "\n")
        return ABSENT
    for name in [name for name in os.environ if name.startswith(OTHERS)]:
        del os.environ[name]  # of another platform or cluster
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, interrupt)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    trainyard = CHECKOUT / ".trainyard"
    trainyard.mkdir(mode=0o700, exist_ok=True)
    home = Home(Path(tempfile.mkdtemp(prefix="engines-", dir=trainyard)))
    logs: tuple[str, ...] = OURS
    try:
        problems = run_everywhere(home, console, wanted)
    except KeyboardInterrupt:
        shutil.rmtree(home.folder, ignore_errors=True)
        console.print("Stopped before the end, and all that was started with it.")
        return INTERRUPTED
    except FAULTS as error:
        problems, logs = [str(error)], OURS + THEIRS
    if problems:
        tell(problems, home.folder, logs, console)
        return 1
    shutil.rmtree(home.folder, ignore_errors=True)
    console.print("Everything completed, and everything that was started is stopped.")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make engines", description=__doc__)
    parser.add_argument("--runs", type=int, default=12, choices=range(len(sweep.ASKED), 13), metavar="4-12")
    parser.add_argument("--epochs", type=int, default=30, help="of each run")
    return parser.parse_args()


def run_everywhere(home: Home, console: Console, wanted: argparse.Namespace) -> list[str]:
    """Returns what is wrong with what came out. Whatever happens, nothing of it is left running."""
    with ExitStack() as started:
        try:
            home.prepare()
            console.print("Starting the platform: PostgreSQL, Valkey, the site, beat, the planner and an agent")
            log = home.folder / PLATFORM_LOG
            rest = started.enter_context(private_stack(home, log, sweep.AGENTS, autoscale=0))
            platform = clusters.Platform(home, rest)
            for name, start in ((clusters.SLURM, clusters.slurm), (clusters.KUBERNETES, clusters.kubernetes)):
                console.print(f"Starting {name}, and its bridge", soft_wrap=True)
                console.print(f"  {started.enter_context(start(platform))}", soft_wrap=True)
            return outcome.shortcomings(run_sweep(rest, console, wanted), wanted.runs)
        finally:
            be_deaf()
            console.print("Stopping everything")


def run_sweep(rest: Any, console: Console, wanted: argparse.Namespace) -> list[following.Job]:
    """Submit the runs and follow them to their ends; returns them as they were last seen."""
    workload, began = f"engines-{secrets.token_hex(4)}", time.monotonic()
    jobs = sweep.runs(workload, at_most=wanted.runs, epochs=wanted.epochs)
    rest.submit(jobs, workload)
    console.print(f"Submitted {len(jobs)} training runs: for agents, Kubernetes, Slurm, and any of them")
    seen = following.follow(
        rest, workload, console=console, reasons=following.Reasons(), seconds=SWEEP_SECONDS, look=lambda: None
    )
    console.print("", outcome.table(seen), "")
    console.print(f"{len(seen)} runs took {time.monotonic() - began:.0f} s")
    return seen


def tell(problems: list[str], folder: Path, logs: tuple[str, ...], console: Console) -> None:
    """What is wrong, and how each log ends."""
    written = [log for pattern in logs for log in sorted(folder.glob(pattern)) if log.stat().st_size]
    for log in written:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        console.print(f"\nThe end of {log}:", *last, sep="\n  ", markup=False, soft_wrap=True)
    console.print(
        "", *problems, f"Everything is stopped; what it said lies in {folder}", sep="\n", markup=False, soft_wrap=True
    )


def interrupt(*_: Any) -> None:
    be_deaf()
    raise KeyboardInterrupt


def be_deaf() -> None:
    """While things are being stopped no signal leaves that half done."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
