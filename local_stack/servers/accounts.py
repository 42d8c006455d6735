"""The database made ready for the first user: tables, an administrator, a project and an API token."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import environ
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from knox.models import AuthToken
from knox.settings import CONSTANTS

from executors import agent_rights
from local_stack.servers import private_files, scaled_pool
from local_stack.servers.postgres import AGENT
from quotas.models import Membership, Project

ADMIN = "admin"
PROJECT = "default"
RENEW_DAYS = 7


def connect_to(url: str) -> None:
    """Let this process's ORM use the database at `url`: settings were read before it was known."""
    connections.settings[DEFAULT_DB_ALIAS].update(environ.Env.db_url_config(url))


def migrate() -> None:
    """Bring the tables up to date; quick when they are."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def prepare(
    url: str,
    credentials: Path,
    *,
    password: str,
    addresses: Mapping[str, str],
    agent_password: str = "",
    most_scaled: int = 0,
) -> None:
    """Tables, the administrator, the default project, and a token that stays valid for a while, written for the CLI.

    With a password for them, also the role as which agents connect; with a number of them, the pool of small ones.
    """
    connect_to(url)
    try:
        migrate()
        if agent_password:
            agent_rights.grant(AGENT, password=agent_password)
        admin, known_password = administrator(password)
        membership_in_default(admin)
        if most_scaled:
            scaled_pool.settle(most_scaled)
        login = {"admin_user": ADMIN, "admin_password": known_password}
        known = {**addresses, "token": valid_token(admin, _token_in(credentials)), **login}
        private_files.write(credentials, json.dumps(known, indent=1) + "\n")
    finally:
        connections.close_all()


def administrator(password: str) -> tuple[User, str]:
    """The administrator, made with this password if there is none. The password is empty when it is not ours to know."""
    admin = User.objects.filter(username=ADMIN).first()
    if admin is None:
        return User.objects.create_superuser(ADMIN, password=password), password
    return admin, password if admin.check_password(password) else ""


def membership_in_default(admin: User) -> None:
    project, _ = Project.objects.get_or_create(slug=PROJECT, defaults={"name": "Default"})
    Membership.objects.get_or_create(project=project, user=admin, defaults={"role": Membership.Role.ADMIN})


def valid_token(user: User, token: str) -> str:
    """The token, if the database knows it for a while yet; else a new one. Only its digest is stored there."""
    soon = timezone.now() + timedelta(days=RENEW_DAYS)
    known = AuthToken.objects.filter(user=user, token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH], expiry__gt=soon)
    if token and known.exists():
        return token
    return str(AuthToken.objects.create(user=user)[1])


def _token_in(credentials: Path) -> str:
    try:
        return str(json.loads(credentials.read_text(encoding="utf-8"))["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
