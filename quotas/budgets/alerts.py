"""Alerts of budgets: each once in a period, delivered by e-mail and webhook, tried again after growing delays."""

import json
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now
from django.utils import timezone

from quotas.budgets import webhooks
from quotas.budgets.rows import Budget, BudgetAlert, BudgetDelivery, BudgetWebhook
from quotas.models import Membership
from scheduling.errors import UnavailableError
from scheduling.sharing.budget_use import BudgetWarning

Channel = BudgetDelivery.Channel
MOST_TRIES = 10
FIRST_DELAY = timedelta(minutes=1)
AT_ONCE = 50
"""So many are delivered in one pass; the next is a minute away."""


@transaction.atomic
def tell(alert: BudgetAlert) -> bool:
    """Put the alert on record and on its way, unless that has been done in its period; whoever comes second does nothing."""
    figures = {name: getattr(alert, name) for name in ("spent", "committed", "forecast", "amount")}
    known, created = BudgetAlert.objects.get_or_create(
        budget=alert.budget, since=alert.since, kind=alert.kind, defaults=figures
    )
    if created:
        BudgetDelivery.objects.bulk_create(BudgetDelivery(alert=known, channel=one) for one in _channels(alert.budget))
    return created


def deliver() -> int:
    """Send what is due; answers how many arrived. What fails is tried again later, ten times in some seventeen hours."""
    arrived = 0
    for _ in range(AT_ONCE):
        delivery = _next()
        if delivery is None:
            break
        try:
            _send(delivery)
        except (UnavailableError, OSError) as error:  # mail servers raise what sockets do
            BudgetDelivery.objects.filter(pk=delivery.pk).update(error=str(error)[:200])
        else:
            arrived += 1
            BudgetDelivery.objects.filter(pk=delivery.pk).update(delivered_at=Now(), next_try_at=None, error="")
    return arrived


def try_after(tries: int) -> CombinedExpression | None:
    """When something is to be sent again that was tried so often before this time; None: never, that was enough."""
    return None if tries + 1 >= MOST_TRIES else Now() + FIRST_DELAY * 2**tries


def sentence(alert: BudgetAlert) -> str:
    """For example: "80 % of the budget of project vision (250 EUR a month) are spent or committed: 180 and 20.5 EUR."."""
    budget = alert.budget
    unit = budget.currency or "GPU-hours"
    figures = f"{alert.spent:.2f} spent and {alert.committed:.2f} committed of {alert.amount:.2f} {unit}"
    if alert.kind == BudgetWarning.FORECAST:
        expected = f"{alert.forecast:.2f} {unit} are expected by its end"
        return f"The budget of project {budget.project} will probably be overrun in this period: {expected}; {figures}."
    return f"{alert.kind} % of the budget of project {budget.project} are spent or committed in this period: {figures}."


def _channels(budget: Budget) -> Iterable[Channel]:
    if settings.EMAIL_HOST and _recipients(budget):
        yield Channel.EMAIL
    if BudgetWebhook.objects.filter(budget=budget).exists():
        yield Channel.WEBHOOK


def _recipients(budget: Budget) -> list[str]:
    """The project's own admins."""
    admins = Membership.objects.filter(project=budget.project_id, role=Membership.Role.ADMIN, user__is_active=True)
    return sorted(set(admins.exclude(user__email="").values_list("user__email", flat=True)))


@transaction.atomic
def _next() -> BudgetDelivery | None:
    """One that is due, taken: the next try is set before this one, so that nobody sends it meanwhile, nor at once if we die."""
    due = BudgetDelivery.objects.filter(next_try_at__lte=Now()).order_by("next_try_at", "pk")
    row = due.select_for_update(skip_locked=True, no_key=True).first()
    if row is None:
        return None
    BudgetDelivery.objects.filter(pk=row.pk).update(tries=F("tries") + 1, next_try_at=try_after(row.tries))
    return BudgetDelivery.objects.select_related("alert__budget__project").get(pk=row.pk)


def _send(delivery: BudgetDelivery) -> None:
    alert = delivery.alert
    if delivery.channel == Channel.EMAIL:
        subject = f"Budget of project {alert.budget.project}: {alert.kind}"
        EmailMessage(subject, sentence(alert), to=_recipients(alert.budget)).send()
        return
    webhook = BudgetWebhook.objects.filter(budget=alert.budget_id).first()
    if webhook is not None:
        webhooks.post(webhook.url, webhook.secret, _body(delivery), int(timezone.now().timestamp()))


def _body(delivery: BudgetDelivery) -> bytes:
    """`id` is the same each time that it is sent: whoever has it has it."""
    alert = delivery.alert
    figures = {name: str(getattr(alert, name)) for name in ("amount", "spent", "committed", "forecast")}
    known = {
        "id": alert.pk,
        "budget": alert.budget_id,
        "project": alert.budget.project.slug,
        "kind": alert.kind,
        "unit": alert.budget.unit,
        "currency": alert.budget.currency,
        "since": alert.since.isoformat(),
        "at": alert.at.isoformat(),
        "sentence": sentence(alert),
    }
    return json.dumps(known | figures).encode()
