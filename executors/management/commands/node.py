"""`manage.py node`: the agent of one machine, or of one share of a machine."""

import platform
import re
import sys
from argparse import ArgumentParser
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from executors.celery_worker import bootstep
from executors.celery_worker.queue_probe import QueueProbe
from executors.celery_worker.release import release
from executors.celery_worker.speaker import become
from executors.celery_worker.worker_arguments import worker_arguments
from executors.node import announcing, exporter
from executors.node.runner import Runner
from executors.run import state_files
from executors.session.requests import Identity
from jobs.messages import publishing
from scheduling.errors import TrainyardError
from telemetry.origin import life
from telemetry.subject import process_is
from workers.hardware import address, inventory
from workers.models import node_name_validator
from workers.runtime import walls

APPLICATION_NAME_LENGTH = 63  # PostgreSQL's
MOST_PORT = 65_535
SPARE_THREADS = 4
"""Beyond one a CPU: a doorbell that turns out stale must not wait behind running jobs."""


class Command(BaseCommand):
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
        parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")

    def handle(self, **options: Any) -> None:
        try:
            self._run(options)
        except (TrainyardError, ValueError) as error:
            raise CommandError(str(error)) from None

    def _run(self, options: dict[str, Any]) -> None:
        name = checked_name(options["name"])
        folder = bootstep.NodeFolder(settings.TRAINYARD_HOME, name)
        folder.lock()
        machine = offered_hardware(options)
        queue_probe = QueueProbe(
            send=partial(publishing.send_probe, name),
            every=settings.HEARING_SECONDS,
            unresponsive_after=settings.DEAF_SECONDS,
        )
        walls_here = walls.build(
            home=settings.TRAINYARD_HOME,
            node=folder.path,
            run_as=settings.RUN_AS,
            private=settings.PRIVATE_TMP,
            process_limit=settings.PROCESS_LIMIT,
            job_folders=settings.JOB_FOLDERS,
        )
        runner = Runner(
            identity=Identity(name, folder.agent_id(), release(), state_files.boot_id(), labels(options["label"])),
            hardware=machine,
            home=settings.TRAINYARD_HOME,
            queue_probe=queue_probe,
            walls=walls_here,
        )
        if port := checked_port(options["metrics_port"]):
            view = runner.view(name=name, version=release())
            exporter.serve(view, port=port, address=settings.NODE_METRICS_ADDRESS)
        connection.settings_dict["OPTIONS"]["application_name"] = f"trainyard node {name}"[:APPLICATION_NAME_LENGTH]
        become(runner)
        process_is(node=name)
        offers = announcing.offer(machine, [settings.DATABASE_URL, settings.BROKER_URL])
        told = f"{offers}. {walls_here.sentence}"
        announced = announcing.Announced(runner, self._say, name=name, offers=told)
        service = bootstep.install(current_app, announced, queue_probe)
        current_app.worker_main(worker_arguments(name, threads=machine.cpus + SPARE_THREADS))
        if service.failed:  # Celery's own exit code does not come through here
            sys.exit(1)

    def _say(self, sentence: str) -> None:
        if settings.LOG_FORMAT == "json":
            life.info(sentence)
            return
        self.stdout.write(sentence)
        self.stdout.flush()


def default_name() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node().partition(".")[0])[:63].strip("-") or "node"


def checked_name(name: str) -> str:
    try:
        node_name_validator(name)
    except ValidationError as error:
        raise CommandError(f"--name {name!r}: {error.message}") from None
    return name


def checked_port(port: int) -> int:
    if not 0 <= port <= MOST_PORT:
        raise CommandError(f"--metrics-port {port}: must be from 1 to {MOST_PORT}, or 0 for none.")
    return port


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


def labels(pairs: list[str]) -> dict[str, str]:
    """`key=value` words as a dict; raises ValueError naming the word that is not one."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"--label {pair!r} must be KEY=VALUE.")
        found[key] = value
    return found
