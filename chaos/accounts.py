"""`python -m chaos.accounts`: the drill's database made ready, from the environment: tables, a user, two projects, a quota."""

import os
import secrets
from pathlib import Path

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  Django finds its models only after it was set up

from local_stack.servers import accounts  # noqa: E402
from local_stack.servers.ports import LOOPBACK  # noqa: E402
from quotas.models import Membership, Project, Quota  # noqa: E402


def main() -> None:
    home = Path(os.environ["TRAINYARD_HOME"])
    address = f"http://{LOOPBACK}:{os.environ['TRAINYARD_PORT']}"
    url = os.environ["DATABASE_URL"]
    accounts.prepare(url, home / "credentials.json", password=secrets.token_hex(8), addresses={"url": address})
    limits = {name: os.environ[f"CHAOS_QUOTA_{name.upper()}"] for name in ("cpus", "gpus")}
    Quota.objects.update_or_create(project=Project.objects.get(slug=accounts.PROJECT), defaults=limits)
    free, _ = Project.objects.get_or_create(slug="free")
    Membership.objects.get_or_create(project=free, user=User.objects.get(username=accounts.ADMIN))


if __name__ == "__main__":
    main()
