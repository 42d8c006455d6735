"""`manage.py autoscaler`: has pools follow what they are to have, until SIGTERM."""

import logging
import signal
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clusters.slurm.client import SlurmClient
from clusters.slurm.commands import CommandClient
from clusters.slurm.rest import RestClient
from local_stack.autoscaler.actuator import ActuatorError
from local_stack.autoscaler.autoscaler import Autoscaler
from local_stack.autoscaler.pilots import Slurm
from local_stack.autoscaler.pods import Cluster

log = logging.getLogger("trainyard.autoscaler")
SECONDS = 3.0
LEAST_SECONDS, MOST_SECONDS = 0.1, 3_600.0


class Command(BaseCommand):
    """May be started several times, on several machines: one acts, and another one takes over when it ends."""

    help = "Have nodes come and go as their pools are to have them: see docs/autoscaling.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--commands",
            type=Path,
            metavar="FOLDER",
            help="with the programs that pools with actuator command may run; none outside of it is (default: no such pool)",
        )
        parser.add_argument(
            "--kubernetes",
            metavar="NAMESPACE",
            help="in which pools with actuator kubernetes have their pods, and agents' pods their deletion cost; as this pod's account, or by KUBECONFIG",
        )
        parser.add_argument(
            "--slurm",
            type=Path,
            metavar="FOLDER",
            help="with the scripts of pools with actuator slurm, where the nodes of that Slurm see it too; by EXECUTOR_SLURM_REST_API_URL, or by its commands",
        )
        parser.add_argument(
            "--slurm-token-file",
            type=Path,
            metavar="FILE",
            help="with the token for its REST API, read before each request (default: EXECUTOR_SLURM_AUTH_TOKEN)",
        )
        parser.add_argument(
            "--every", type=float, default=SECONDS, metavar="SECONDS", help=f"how often to look (default: {SECONDS:g})"
        )

    def handle(self, **options: Any) -> None:
        folder = options["commands"]
        for name in ("commands", "slurm"):
            if options[name] is not None and not options[name].is_dir():
                raise CommandError(f"--{name}: {options[name]} is no folder.", returncode=2)
        if not LEAST_SECONDS <= options["every"] <= MOST_SECONDS:
            words = f"--every must be from {LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds, not {options['every']:g}."
            raise CommandError(words, returncode=2)
        folder = folder.resolve() if folder is not None else None
        cluster = connected(options["kubernetes"]) if options["kubernetes"] else None
        slurm = (
            Slurm(slurm_client(options["slurm_token_file"]), options["slurm"].resolve()) if options["slurm"] else None
        )
        scaler = Autoscaler(
            settings.TRAINYARD_HOME, folder, self.say, every_seconds=options["every"], cluster=cluster, slurm=slurm
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        scaler.run()

    def say(self, words: str) -> None:
        if settings.LOG_FORMAT == "json":
            log.info(words)
            return
        self.stdout.write(words)
        self.stdout.flush()


def connected(namespace: str) -> Cluster:
    """Its client takes memory and time to load, and need not be installed where nobody asks for it."""
    try:
        module = import_module("local_stack.autoscaler.cluster")
    except ModuleNotFoundError as error:
        words = f"--kubernetes: {error.name} is not installed: pip install -r requirements-kubernetes.txt."
        raise CommandError(words, returncode=2) from None
    try:
        cluster: Cluster = module.ApiCluster(namespace)
    except ActuatorError as error:
        raise CommandError(f"--kubernetes: {error}", returncode=2) from None
    return cluster


def slurm_client(token_file: Path | None) -> SlurmClient:
    """By its REST API where that is named, else by its commands."""
    if not settings.EXECUTOR_SLURM_REST_API_URL:
        return CommandClient(settings.SLURM_COMMANDS_PATH)

    def token() -> str:
        if token_file is not None:
            return token_file.read_text(encoding="utf-8").strip()
        return str(settings.EXECUTOR_SLURM_AUTH_TOKEN)

    return RestClient(settings.EXECUTOR_SLURM_REST_API_URL, token=token)


def end(*_: object) -> NoReturn:
    """What runs at the moment is waited for: commands end within their time."""
    raise SystemExit(0)
