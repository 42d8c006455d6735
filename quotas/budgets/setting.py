"""Setting budgets, changing and removing them. A lower one stops new starts; what runs is never stopped by it."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from quotas.budgets import webhooks
from quotas.budgets.rows import MOST, Budget, BudgetWebhook
from quotas.clock import database_now
from quotas.models import Project
from quotas.queries import administers, visible_projects
from scheduling.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from scheduling.sharing.budgets import Unit
from scheduling.sharing.periods import ONCE
from scheduling.sharing.prices import PLACES

BUDGETS_LOCK = 0x6275_6467  # "budg": whoever plans by budgets holds it shared, whoever changes them alone
FIELDS = ("unit", "amount", "currency", "period", "zone", "starts_at", "ends_at", "hard")


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """A budget as somebody wants it; without `starts_at`, one that is there once begins now."""

    amount: Decimal
    period: str
    unit: str = Unit.MONEY
    currency: str = ""
    zone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    hard: bool = False


def lock_budgets() -> datetime:
    """Wait for the plan that is being made by the budgets as they are; answers the database's moment after that.

    It is committed before a change is answered. Those that follow wait for the change, and are made by it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [BUDGETS_LOCK])
    return database_now()


@transaction.atomic
def set_budget(project: Project, wanted: BudgetRequest, actor: User) -> Budget:
    """A new budget of the project. Raises InvalidError with every fault."""
    _refuse_others(project, actor, hard=wanted.hard)
    now = lock_budgets()
    known = _completed(wanted, now)
    if faults := faults_of(known, now):
        raise InvalidError(faults)
    return Budget.objects.create(project=project, created_by=actor.get_username(), **_columns(known))


@transaction.atomic
def change_budget(budget: Budget, actor: User, **fields: Any) -> Budget:
    """Change the named fields, as they are in `BudgetRequest`. Raises InvalidError with every fault."""
    now = lock_budgets()
    budget.refresh_from_db()
    before = BudgetRequest(**{name: getattr(budget, name) for name in FIELDS})
    _refuse_others(budget.project, actor, hard=budget.hard or fields.get("hard", False))
    wanted = _completed(replace(before, **fields), now)
    faults = [one for one in faults_of(wanted, now) if one.field in fields or one.code != "past"]
    if faults:
        raise InvalidError(faults)
    for name, value in _columns(wanted).items():
        setattr(budget, name, value)
    budget.save()
    return budget


@transaction.atomic
def set_webhook(budget: Budget, actor: User, url: str, secret: str) -> None:
    """Post alerts of the budget there, signed with the secret; without an address nowhere any more."""
    _refuse_others(budget.project, actor, hard=False)
    if not url:
        BudgetWebhook.objects.filter(budget=budget).delete()
        return
    if faults := webhooks.faults_of(url, secret):
        raise InvalidError(faults)
    BudgetWebhook.objects.update_or_create(budget=budget, defaults={"url": url, "secret": secret})


@transaction.atomic
def remove_budget(budget: Budget, actor: User) -> None:
    """Forget a budget. What was spent stays in the ledger."""
    _refuse_others(budget.project, actor, hard=budget.hard)
    lock_budgets()
    budget.delete()


def find_budget(user: User, budget_id: int) -> Budget:
    """Raises NotFoundError when there is no such budget, or only of a project that `user` does not belong to."""
    budget = Budget.objects.select_related("project").filter(pk=budget_id, project__in=visible_projects(user)).first()
    if budget is None:
        raise NotFoundError(f"There is no budget {budget_id}.")
    return budget


def faults_of(wanted: BudgetRequest, now: datetime) -> list[FieldError]:
    """Everything that is wrong with it."""
    return [*_amount_faults(wanted), *_currency_faults(wanted), *_zone_faults(wanted), *_period_faults(wanted, now)]


def _refuse_others(project: Project, actor: User, *, hard: bool) -> None:
    """A hard budget is what somebody above grants, like a quota; to be warned is everybody's own affair."""
    if hard and not administers(actor, project.parent_id):
        raise ForbiddenError(
            f"A hard budget of project {project} is set by staff, or by an admin of a project above it."
        )
    if not administers(actor, project.pk):
        raise ForbiddenError(f"Only an admin of project {project} may set its budgets.")


def _completed(wanted: BudgetRequest, now: datetime) -> BudgetRequest:
    if wanted.period == ONCE and wanted.starts_at is None:
        return replace(wanted, starts_at=now)
    return wanted


def _columns(wanted: BudgetRequest) -> dict[str, Any]:
    columns = {name: getattr(wanted, name) for name in FIELDS}
    return columns | {"currency": settings.CURRENCY if wanted.unit == Unit.MONEY else ""}


def _amount_faults(wanted: BudgetRequest) -> list[FieldError]:
    amount = wanted.amount
    if not amount.is_finite() or not 0 <= amount < MOST:
        return [FieldError("amount", f"Must be an amount from 0 to less than {MOST}.", "range")]
    if amount != round(amount, PLACES):
        return [FieldError("amount", f"May have {PLACES} digits after the point.", "max_decimal_places")]
    return []


def _currency_faults(wanted: BudgetRequest) -> list[FieldError]:
    if wanted.unit == Unit.MONEY and wanted.currency not in ("", settings.CURRENCY):
        words = f"This platform reckons in {settings.CURRENCY} (TRAINYARD_CURRENCY), not in {wanted.currency!r}."
        return [FieldError("currency", words, "currency")]
    if wanted.unit != Unit.MONEY and wanted.currency:
        return [FieldError("currency", "GPU-hours have no currency: leave it empty.", "currency")]
    return []


def _zone_faults(wanted: BudgetRequest) -> list[FieldError]:
    if wanted.zone in available_timezones():
        return []
    words = f"There is no time zone {wanted.zone!r}. Name one of the IANA's, such as UTC or Europe/Berlin."
    return [FieldError("zone", words, "unknown")]


def _period_faults(wanted: BudgetRequest, now: datetime) -> list[FieldError]:
    if wanted.period != ONCE:
        known = (("starts_at", wanted.starts_at), ("ends_at", wanted.ends_at))
        words = f"Only a budget that is there once has one: this one begins anew each {wanted.period}."
        return [FieldError(name, words, "period") for name, value in known if value is not None]
    if wanted.ends_at is None:
        return [FieldError("ends_at", "Say until when a budget is there that is there once.", "required")]
    if wanted.starts_at is not None and wanted.ends_at <= wanted.starts_at:
        return [FieldError("ends_at", "Must lie after its start.", "order")]
    if wanted.ends_at <= now:
        return [FieldError("ends_at", "Must lie in the future: a budget of the past keeps nobody.", "past")]
    return []
