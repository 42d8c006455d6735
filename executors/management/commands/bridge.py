"""`manage.py bridge`: speaks for a cluster that runs commands by its own means."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from executors.bridge.bridge import Bridge, Identity, SharedFolder
from executors.bridge.engines import connect_of
from executors.celery_worker.release import release
from executors.management.executor_command import ExecutorCommand, checked_name, key_values, probe_of
from workers.models import cluster_name_validator

THREADS = 2
"""For doorbells, which take no time."""


class Command(ExecutorCommand):
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

    def run(self, options: dict[str, Any]) -> None:
        name, kind = checked_name(options["name"], cluster_name_validator), options["kind"]
        engine = connect_of(kind)(name, key_values("--set", options["options"]))
        folder = SharedFolder(settings.TRAINYARD_HOME, name, among="clusters")
        queue_probe = probe_of(name)
        bridge = Bridge(
            identity=Identity(name, kind, folder.agent_id(), release(), options["image"]),
            engine=engine,
            folder=folder,
            queue_probe=queue_probe,
            say=self.say,
        )
        self.serve(bridge, bridge, queue_probe, title="bridge", name=name, threads=THREADS)
