"""`manage.py node`: the agent of one machine, or of one share of a machine."""

import math
import os
import platform
import re
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from executors.celery_worker import bootstep
from executors.celery_worker.release import release
from executors.management.executor_command import ExecutorCommand, checked_name, key_values, probe_of
from executors.node import announcing, containers, environments, exporter
from executors.node.runner import Runner
from executors.run import state_files
from executors.session.lifetime import ENDLESS, Lifetime, read_until
from executors.session.requests import Identity
from workers.hardware import address, allocation, gpus, inventory, spot_notices
from workers.models import node_name_validator
from workers.runtime import walls

MOST_PORT = 65_535
SPARE_THREADS = 4
"""Beyond one a CPU: a doorbell that turns out stale must not wait behind running jobs."""


class Command(ExecutorCommand):
    """Runs the agent in the foreground until SIGTERM; then it drains. SIGQUIT ends it and leaves its jobs running."""

    help = "Run the agent of one node: registers this machine and runs the jobs that are placed on it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default=default_name(), help="name of the node (default: this host's name)")
        parser.add_argument("--cpus", type=int, help="CPUs to offer (default: all)")
        parser.add_argument("--memory-gb", type=float, help="memory to offer (default: all)")
        parser.add_argument("--gpus", type=int, help="GPUs to offer; those beyond the real ones are simulated")
        parser.add_argument("--gpu-model", help="model name of simulated GPUs")
        parser.add_argument("--gpu-memory-gb", type=float, help="memory of each simulated GPU")
        parser.add_argument(
            "--metrics-port", type=int, default=settings.NODE_METRICS_PORT,
            help="answer Prometheus there about this node (default: TRAINYARD_NODE_METRICS_PORT; 0: nowhere)",
        )  # fmt: skip
        parser.add_argument(
            "--until", default=settings.NODE_UNTIL, metavar="MOMENT",
            help="when this machine goes: the agent leaves before it (default: TRAINYARD_NODE_UNTIL; in a job of Slurm: its end)",
        )  # fmt: skip
        parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")

    def run(self, options: dict[str, Any]) -> None:
        name = checked_name(options["name"], node_name_validator, option="--name ")
        folder = bootstep.NodeFolder(settings.TRAINYARD_HOME, name)
        folder.lock()
        machine, stays = offered_hardware(options), lifetime_of(options["until"])
        if stays.is_up and not has_left_jobs(folder.path):
            raise CommandError(
                f"This machine goes in {max(stays.left, 0):.0f} s, and an agent leaves {stays.leave_seconds:g} s"
                " before that (TRAINYARD_NODE_LEAVE_SECONDS): nothing could run here."
            )
        queue_probe = probe_of(name)
        walls_here = walls.build(
            home=settings.TRAINYARD_HOME,
            node=folder.path,
            run_as=settings.RUN_AS,
            private=settings.PRIVATE_TMP,
            process_limit=settings.PROCESS_LIMIT,
            job_folders=settings.JOB_FOLDERS,
            choice=settings.WALLS,
            gpu_files=gpus.file_numbers(machine.gpus),
        )
        runner = Runner(
            identity=Identity(
                name,
                folder.agent_id(),
                release(),
                state_files.boot_id(),
                {**environments.labels(walls_here), **containers.labels(), **key_values("--label", options["label"])},
                stays,
            ),
            hardware=machine,
            home=settings.TRAINYARD_HOME,
            queue_probe=queue_probe,
            walls=walls_here,
            spot_notice=spot_notice(settings.SPOT_NOTICE),
        )
        if port := checked_port(options["metrics_port"]):
            view = runner.view(name=name, version=release())
            exporter.serve(view, port=port, address=settings.NODE_METRICS_ADDRESS)
        offers = announcing.offer(machine, [settings.DATABASE_URL, settings.BROKER_URL])
        stay = "" if stays == ENDLESS else f", {stays.words}"
        told = f"{offers}{stay}. {walls_here.sentence}"
        announced = announcing.Announced(runner, self.say, name=name, offers=told)
        self.serve(runner, announced, queue_probe, title="node", name=name, threads=machine.cpus + SPARE_THREADS)


def default_name() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node().partition(".")[0])[:63].strip("-") or "node"


def checked_port(port: int) -> int:
    if not 0 <= port <= MOST_PORT:
        raise CommandError(f"--metrics-port {port}: must be from 1 to {MOST_PORT}, or 0 for none.")
    return port


def lifetime_of(until: str) -> Lifetime:
    """As it was said, else as Slurm says of the job that this process is in."""
    given = allocation.of_slurm(os.environ)
    try:
        ends_at = read_until(until) if until else given.ends_at if given is not None else math.inf
    except ValueError as error:
        raise CommandError(f"--until, TRAINYARD_NODE_UNTIL: {error}") from None
    return ENDLESS if ends_at == math.inf else Lifetime(ends_at, settings.NODE_LEAVE_SECONDS)


def has_left_jobs(folder: Path) -> bool:
    """Whether the agent before this one left something to be seen to."""
    return any((folder / "attempts").glob("*"))


def spot_notice(text: str) -> spot_notices.Source | None:
    try:
        return spot_notices.source(text) if text else None
    except ValueError as error:
        raise CommandError(f"TRAINYARD_SPOT_NOTICE: {error}") from None


def offered_hardware(options: dict[str, Any]) -> inventory.Hardware:
    peers = [urlsplit(url).hostname or "" for url in (settings.DATABASE_URL, settings.BROKER_URL)]
    where = settings.NODE_ADDRESS or address.detect(filter(None, peers))
    return inventory.declare(
        replace(inventory.inventory(), address=where),
        cpus=options["cpus"],
        memory_gb=options["memory_gb"],
        gpus=options["gpus"],
        gpu_model=options["gpu_model"],
        gpu_memory_gb=options["gpu_memory_gb"],
    )
