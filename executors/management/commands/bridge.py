"""`manage.py bridge`: speaks for a cluster that runs commands by its own means."""

import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from executors.bridge.bridge import Bridge, SharedFolder
from executors.bridge.engines import connect_of
from executors.bridge.session import Identity
from executors.celery_worker import bootstep
from executors.celery_worker.queue_probe import QueueProbe
from executors.celery_worker.release import release
from executors.celery_worker.speaker import become
from executors.celery_worker.worker_arguments import worker_arguments
from jobs.messages import publishing
from scheduling.errors import TrainyardError
from telemetry.origin import life
from telemetry.subject import process_is
from workers.models import cluster_name_validator

APPLICATION_NAME_LENGTH = 63  # PostgreSQL's
THREADS = 2
"""For doorbells, which take no time."""


class Command(BaseCommand):
    """Runs in the foreground until SIGTERM. What runs in the cluster runs on, whatever becomes of this process."""

    help = "Speak for a cluster (Kubernetes, Slurm): have it run the jobs that are placed on its nodes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "name", help="name of the cluster: its nodes are NAME-..., jobs ask for it by executor=NAME"
        )
        parser.add_argument("--kind", required=True, help=f"its engine: {', '.join(sorted(settings.ENGINES))}")
        parser.add_argument(
            "--set", action="append", default=[], dest="options", metavar="KEY=VALUE",
            help="an option of its engine, see docs/engines.md; may be repeated",
        )  # fmt: skip
        parser.add_argument("--image", default="", help="container image of jobs that name none")

    def handle(self, **options: Any) -> None:
        try:
            self._run(options)
        except (TrainyardError, ValueError) as error:
            raise CommandError(str(error)) from None

    def _run(self, options: dict[str, Any]) -> None:
        name, kind = checked_name(options["name"]), options["kind"]
        engine = connect_of(kind)(name, engine_options(options["options"]))
        folder = SharedFolder(settings.TRAINYARD_HOME, name, among="clusters")
        queue_probe = QueueProbe(
            send=partial(publishing.send_probe, name),
            every=settings.HEARING_SECONDS,
            unresponsive_after=settings.DEAF_SECONDS,
        )
        bridge = Bridge(
            identity=Identity(name, kind, folder.agent_id(), release(), options["image"]),
            engine=engine,
            folder=folder,
            queue_probe=queue_probe,
            say=self._say,
        )
        connection.settings_dict["OPTIONS"]["application_name"] = f"trainyard bridge {name}"[:APPLICATION_NAME_LENGTH]
        become(bridge)
        process_is(node=name)
        service = bootstep.install(current_app, bridge, queue_probe)
        current_app.worker_main(worker_arguments(name, threads=THREADS))
        if service.failed:  # Celery's own exit code does not come through here
            sys.exit(1)

    def _say(self, sentence: str) -> None:
        if settings.LOG_FORMAT == "json":
            life.info(sentence)
            return
        self.stdout.write(sentence)
        self.stdout.flush()


def checked_name(name: str) -> str:
    try:
        cluster_name_validator(name)
    except ValidationError as error:
        raise CommandError(f"{name!r}: {error.message}") from None
    return name


def engine_options(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` words as a dict; raises ValueError naming the word that is not one."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"--set {pair!r} must be KEY=VALUE.")
        found[key] = value
    return found
