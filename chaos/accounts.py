"""`python -m chaos.accounts`: the drill's database made ready, from the environment: tables, a user, projects with quotas, prices, budgets."""

import os
import secrets
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402  likewise
from django.contrib.auth.models import User  # noqa: E402  Django finds its models only after it was set up
from django.utils import timezone  # noqa: E402

from chaos.books import tree  # noqa: E402
from local_stack.servers import accounts  # noqa: E402
from local_stack.servers.ports import LOOPBACK  # noqa: E402
from quotas.models import Budget, Membership, Price, Project, Quota  # noqa: E402


def main() -> None:
    home = Path(os.environ["TRAINYARD_HOME"])
    address = f"http://{LOOPBACK}:{os.environ['TRAINYARD_PORT']}"
    url = os.environ["DATABASE_URL"]
    accounts.prepare(url, home / "credentials.json", password=secrets.token_hex(8), addresses={"url": address})
    limits = {name: os.environ[f"CHAOS_QUOTA_{name.upper()}"] for name in ("cpus", "gpus")}
    Quota.objects.update_or_create(project=Project.objects.get(slug=accounts.PROJECT), defaults=limits)
    _cohort(int(limits["gpus"]), int(limits["cpus"]))
    free, _ = Project.objects.get_or_create(slug="free")
    Membership.objects.get_or_create(project=free, user=User.objects.get(username=accounts.ADMIN))


def _cohort(gpus: int, cpus: int) -> None:
    """Below the default project: see `chaos.books.tree`. What runs in a project beside them is paid for, and has no budget."""
    parent, admin = Project.objects.get(slug=accounts.PROJECT), User.objects.get(username=accounts.ADMIN)
    for one in tree.members(gpus, cpus):
        project = Project.objects.create(slug=one.slug, parent=parent)
        Membership.objects.create(project=project, user=admin)
        loans = {
            f"{verb}_{name}": amount
            for verb, amounts in (("borrowing", one.borrows), ("lending", one.lends))
            for name, amount in zip(("gpus", "cpus"), amounts or (None, None), strict=True)
        }
        Quota.objects.create(project=project, gpus=one.gpus, cpus=one.cpus, **loans)
    since = timezone.now() - timedelta(minutes=1)
    Price.objects.bulk_create(
        Price(target=target, per_hour=amount, currency=settings.CURRENCY, valid_from=since)
        for target, amount in tree.PRICES.items()
    )
    hard = tree.hard_amount(int(os.environ["CHAOS_JOBS"]))
    times = {"period": "once", "starts_at": since, "ends_at": since + timedelta(days=2)}
    paid = {"unit": "money", "currency": settings.CURRENCY, "amount": hard, "hard": True}
    Budget.objects.create(project=Project.objects.get(slug=tree.HARD), **paid, **times)
    Budget.objects.create(project=parent, unit="gpu_hours", amount=Decimal("0.05"), **times)


if __name__ == "__main__":
    main()
