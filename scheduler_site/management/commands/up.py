"""`manage.py up`: the whole platform on this machine, in the foreground."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from scheduler_site.local_stack import environment
from scheduler_site.local_stack.errors import StackError
from scheduler_site.local_stack.home import Home
from scheduler_site.local_stack.output import PrefixedOutput
from scheduler_site.local_stack.roles import NodeSpec
from scheduler_site.local_stack.stack import LocalStack, Options


class Command(BaseCommand):
    """Runs everything until Ctrl-C or SIGTERM, then stops it: within ten seconds, beside the grace of its jobs."""

    help = "Run PostgreSQL, Valkey, the site, beat, the planner, Flower and node agents on this machine, until Ctrl-C."
    requires_system_checks = []  # the database that they ask about is not there yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--node",
            action="append",
            default=[],
            metavar="NAME[:cpus=2,gpus=1]",
            help="an agent to run, may be repeated; GPUs beyond the real ones are simulated (default: this machine)",
        )

    def handle(self, **options: Any) -> None:
        output = PrefixedOutput()
        try:
            LocalStack(Home(settings.TRAINYARD_HOME), read_options(options["node"]), output).run()
        except StackError as error:
            raise CommandError(str(error)) from None


def read_options(nodes: list[str]) -> Options:
    """The wishes of the command line and the environment. An unnamed node takes this host's name."""
    return Options(
        web_port=settings.TRAINYARD_PORT,
        flower_port=settings.FLOWER_PORT,
        nodes=tuple(NodeSpec.parse(text) for text in nodes) or (NodeSpec(),),
        database_url=settings.DATABASE_URL if environment.given("DATABASE_URL") else "",
        broker_url=settings.BROKER_URL if environment.given("BROKER_URL") else "",
        secret_key=settings.SECRET_KEY if environment.given("TRAINYARD_SECRET_KEY") else "",
    )
