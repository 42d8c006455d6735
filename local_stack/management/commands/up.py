"""`manage.py up`: the whole platform on this machine, in the foreground."""

from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from local_stack.servers import environment
from local_stack.servers.announced import stacks_file
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home
from local_stack.servers.output import make_output
from local_stack.servers.roles import NodeSpec
from local_stack.servers.stack import LocalStack, Options

USUAL_MOST, MOST = 4, 100


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
        parser.add_argument(
            "--autoscale",
            nargs="?",
            type=int,
            default=0,
            const=USUAL_MOST,
            metavar="MOST",
            help=f"beside these, so many small agents that come as jobs need them and go again (alone: {USUAL_MOST})",
        )
        parser.add_argument(
            "--unlisted",
            action="store_true",
            help="do not write down for this user where it runs: `trainyard` finds it from its own folder alone",
        )

    def handle(self, **options: Any) -> None:
        output = make_output()
        home = Home(settings.TRAINYARD_HOME)
        where = None if options["unlisted"] else stacks_file()
        if not 0 <= options["autoscale"] <= MOST:
            raise CommandError(f"--autoscale must be from 0 to {MOST}, not {options['autoscale']}.", returncode=2)
        try:
            wanted = replace(read_options(options["node"]), most_scaled=options["autoscale"])
            LocalStack(home, wanted, output, listed_in=where).run()
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
