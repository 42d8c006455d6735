"""`manage.py agent_rights`: the rights of a role as which agents connect to the database: all of them, or those of a node."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from executors import agent_rights, node_rights
from scheduling.errors import ConflictError
from workers.models import node_name_validator


class Command(BaseCommand):
    """Run it as the owner of the tables, after each migration.

    With TRAINYARD_AGENT_DATABASE_PASSWORD it makes the role too, or gives it that password.
    """

    help = "Give a PostgreSQL role the rights that agents need in this database, and no others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "role",
            help="made too where TRAINYARD_AGENT_DATABASE_PASSWORD is set; else CREATE ROLE ... LOGIN PASSWORD '...' comes first",
        )

        parser.add_argument(
            "--node",
            action="append",
            default=[],
            dest="nodes",
            metavar="NAME",
            help="it is the role of this node's agent, and sees this node's jobs alone; several times: of an agent for each",
        )

    def handle(self, **options: Any) -> None:
        role, nodes = options["role"], options["nodes"]
        try:
            for name in nodes:
                node_name_validator(name)
            bound = agent_rights.grant(role, password=settings.AGENT_DATABASE_PASSWORD, nodes=nodes)
        except ValidationError as error:
            raise CommandError(f"--node: {error.messages[0]}") from None
        except ConflictError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"{role!r}: {str(error).strip()}") from None
        if bound:
            tables, whose = len(node_rights.RULES), f"the agent of {', '.join(bound)}"
        else:
            tables, whose = len(agent_rights.rights()), "an agent"
        self.stdout.write(f"{role} may do what {whose} does: {tables} tables.")
