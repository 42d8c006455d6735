"""`manage.py agent_rights`: the rights of the role as which agents connect to the database."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from executors import agent_rights


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

    def handle(self, **options: Any) -> None:
        try:
            agent_rights.grant(options["role"], password=settings.AGENT_DATABASE_PASSWORD)
        except DatabaseError as error:
            raise CommandError(f"{options['role']!r}: {str(error).strip()}") from None
        self.stdout.write(f"{options['role']} may do what an agent does: {len(agent_rights.rights())} tables.")
