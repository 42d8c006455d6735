"""What may stand in the file, by the names that REST has for it, and as strictly."""

from typing import Any

from rest_framework import serializers

from api.http.fields import GigabytesField
from api.http.shapes import StrictSerializer, Whole
from api.v1.pools.shapes import PoolIn
from api.v1.shapes.budgets import BudgetIn
from api.v1.shapes.costs import PriceIn
from api.v1.shapes.projects import MOST_DAYS, ProjectIn
from api.v1.shapes.queues import QueueIn
from api.v1.shapes.quotas import MOST_GB, GpuModelsField, LimitsIn, LoanLimitsIn
from jobs.submission.limits import NODES
from quotas.access import Role


class DeclaredBudget(BudgetIn):
    """Without a webhook: its secret has no place in such a file."""

    webhook_url = webhook_secret = None  # type: ignore[assignment]  # how REST framework drops an inherited field


class DeclaredProject(ProjectIn):
    archived = serializers.BooleanField(required=False)
    limits = LimitsIn(required=False)
    borrowing_limits = LoanLimitsIn(required=False)
    lending_limits = LoanLimitsIn(required=False)
    user_limits = LimitsIn(required=False)
    max_nodes = Whole(NODES, least=1, required=False, allow_null=True)
    gpu_models = GpuModelsField(required=False)
    enforced = serializers.BooleanField(required=False)
    members = serializers.DictField(child=serializers.ChoiceField(Role.choices), required=False)
    job_days = Whole(MOST_DAYS, least=1, required=False, allow_null=True)
    output_gb = GigabytesField(MOST_GB, required=False, allow_null=True)
    budgets = DeclaredBudget(many=True, required=False)


class DeclaredQueue(QueueIn):
    pass


class DeclaredPrice(PriceIn):
    """From the moment at which it is applied, until further notice."""

    valid_from = valid_to = None  # type: ignore[assignment]  # likewise


SECTIONS: dict[str, type[StrictSerializer]] = {
    "projects": DeclaredProject,
    "queues": DeclaredQueue,
    "prices": DeclaredPrice,
    "pools": PoolIn,
}


def title_of(section: str, values: dict[str, Any]) -> str:
    """What an entry is called, and is known by: of two in one file that are called the same one is too many."""
    if section == "prices":
        words = (values.get("capacity", ""), str(values.get("target", "")), str(values.get("name", "")).lower())
        return f"price of {' '.join(word for word in words if word)}"
    kind = {"projects": "project", "queues": "queue", "pools": "pool"}[section]
    return f"{kind} {values.get('slug' if section == 'projects' else 'name', '')}"


def budget_title(project: str, values: dict[str, Any]) -> str:
    """A project has one budget of each: the unit, the period, and whether it is hard."""
    hard = "hard" if values.get("hard") else "soft"
    return f"{hard} budget of {project}, {values['unit']} {'once' if values['period'] == 'once' else 'a ' + values['period']}"
