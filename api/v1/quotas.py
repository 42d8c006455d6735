"""Quotas and budgets: what a project may hold at once and may spend over time, what of that is used, what is left."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.http.shapes import Nothing, StrictSerializer, Whole
from api.v1.shapes import quotas
from api.v1.shapes.budgets import BudgetChange, BudgetIn, BudgetOut, webhook_in
from api.v1.shapes.quotas import LimitsIn, LoanLimitsIn
from jobs.messages import publishing
from jobs.outputs.project_limits import rounded_gb, standing_of
from jobs.planning.budget_use.reports import reports_of
from jobs.recovery import quota_sync
from jobs.reports.quota_bars import bars_in
from jobs.reports.quota_usage import LIMITS, account_in, standing_now, usage_by_model
from jobs.submission.limits import NODES
from jobs.submission.pricing import SHOWN_PLACES
from quotas.budgets import setting
from quotas.budgets.rows import Budget
from quotas.limits import set_limits
from quotas.models import NativeQuotaRow, Project
from quotas.providers import chosen
from quotas.queries import find_project, visible_projects
from scheduling.errors import FieldError, InvalidError

SYNC_PATIENCE = 10.0
"""Seconds for which who asks for a sync waits for one that is under way."""


class QuotaChange(StrictSerializer):
    """Limits, nested or a field each; both forms may stand side by side if they agree."""

    limits = LimitsIn(required=False)
    borrowing_limits = LoanLimitsIn(
        required=False, help_text="What it may hold beyond its own of what its siblings leave; null: nothing."
    )
    lending_limits = LoanLimitsIn(
        required=False, help_text="What its siblings may have of what it leaves of its own; null: all of that."
    )
    user_limits = LimitsIn(
        required=False, help_text="What each user may hold of it, here and below, and have waiting; null: no limit."
    )
    max_nodes = Whole(
        NODES,
        least=1,
        required=False,
        allow_null=True,
        help_text="Of one job, as it is submitted; null: no limit.",
    )
    gpu_models = quotas.GpuModelsField(
        required=False, help_text='GPUs by model, all together: {"h100": 4}; {}: no limit of any.'
    )
    enforced = serializers.BooleanField(required=False, help_text="Off: usage is shown, nothing is held back.")
    enforce_quota = serializers.BooleanField(required=False, help_text="As enforced.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | quotas.wanted_fields()


class AmountsOut(serializers.Serializer[Any]):
    gpus = serializers.IntegerField(allow_null=True)
    cpus = serializers.IntegerField(allow_null=True)
    memory_gb = serializers.FloatField(allow_null=True)
    running_jobs = serializers.IntegerField(allow_null=True)
    waiting_jobs = serializers.IntegerField(allow_null=True)
    gpu_hours_ahead = serializers.FloatField(
        allow_null=True,
        help_text="What running jobs may still use up to their limits; of usage null where no quota limits it.",
    )


class LoanAmountsOut(serializers.Serializer[Any]):
    gpus = serializers.IntegerField(allow_null=True)
    cpus = serializers.IntegerField(allow_null=True)
    memory_gb = serializers.FloatField(allow_null=True)


class QuotaBarOut(serializers.Serializer[Any]):
    """What is used of one resource that a quota limits: the project's own, or that of the nearest project above that has one."""

    resource = serializers.ChoiceField([quotas.shown_name(name) for name in LIMITS], help_text="What is limited.")
    used = serializers.FloatField(help_text="By the project, and all below it.")
    waiting = serializers.FloatField(help_text="What its jobs that wait ask for together.")
    quota_of = serializers.CharField(help_text="Whose quota it is.")
    nominal = serializers.FloatField(help_text="That quota.")
    held = serializers.FloatField(help_text="What is used of it, by whomever.")
    borrowing_limit = serializers.FloatField(help_text="What may be held beyond it.")
    borrowed = serializers.FloatField(help_text="What the project holds beyond its own quota.")
    over = serializers.FloatField(
        help_text="What is held beyond the quota and its borrowing limit, as one was lowered."
    )
    lent = serializers.FloatField(help_text="What of its own others hold, and would give back.")
    lending_limit = serializers.FloatField(
        allow_null=True, help_text="What others may have of it; null: all it leaves."
    )
    enforced = serializers.BooleanField()
    sentence = serializers.CharField(help_text="All of that in words.")


class NativeOut(serializers.Serializer[Any]):
    """What another system that keeps the project's quota too said last of it; what is used there is used by whomever."""

    holder = serializers.CharField(help_text="The quota's name there, in words.")
    fault = serializers.CharField(help_text="Why it has not been read since; empty: it has.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | quotas.answered_fields()


class KeptOutputsOut(serializers.Serializer[Any]):
    """The storage that a project and all below it take."""

    used_gb = serializers.FloatField(help_text="Of outputs and checkpoints, as they are listed.")
    limit_gb = serializers.FloatField(allow_null=True, help_text="The limit that leaves least room; null: none.")
    limit_of = serializers.CharField(allow_null=True, help_text="Whose limit that is.")
    limit_used_gb = serializers.FloatField(allow_null=True, help_text="What is kept under it, by whomever.")
    code_gb = serializers.FloatField(help_text="Of code that jobs brought along, each file once; not limited.")
    sentence = serializers.CharField(help_text="That in words.")


class QuotaOut(serializers.Serializer[Any]):
    """The amounts count everything below the project too; `available` also minds the quotas above it, and its cohort."""

    project = serializers.CharField()
    provider = serializers.CharField()
    enforced = serializers.BooleanField()
    limits = AmountsOut()
    usage = AmountsOut()
    available = AmountsOut()
    borrowing_limits = LoanAmountsOut(help_text="What it may hold beyond its own; null: nothing.")
    lending_limits = LoanAmountsOut(help_text="What its siblings may have of its own; null: all that it leaves.")
    user_limits = AmountsOut(
        help_text="What each user may hold of it, here and below, and have waiting; null: no limit."
    )
    max_nodes = serializers.IntegerField(allow_null=True, help_text="Of one job, as it is submitted; null: no limit.")
    gpu_models = serializers.DictField(child=serializers.IntegerField(), help_text="GPUs by model that it may hold.")
    gpu_models_usage = serializers.DictField(
        child=serializers.IntegerField(), help_text="What it holds of each of these models."
    )
    user_usage = AmountsOut(help_text="What the caller holds of it, here and below, and has waiting.")
    borrowed = LoanAmountsOut(help_text="What it holds beyond its own.")
    lent = LoanAmountsOut(help_text="What of its own it could not have now: others hold it, and would give it back.")
    enforce_quota = serializers.BooleanField(help_text="As enforced.")
    bars = QuotaBarOut(many=True, help_text="Of all that is limited here or above.")
    kept_outputs = KeptOutputsOut(help_text="What is kept of what its jobs have left.")
    pending_cost = serializers.DecimalField(
        30, SHOWN_PLACES, allow_null=True,
        help_text="What its jobs that wait are expected to cost, of which the end is known; null: none has a price.",
    )  # fmt: skip
    synced_at = serializers.DateTimeField(
        allow_null=True, help_text="When limits and usage were last in line with the provider; null: never yet."
    )
    native = NativeOut(allow_null=True, help_text="As the provider has it; null: nobody else keeps quotas.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | quotas.answered_fields()


class QuotaView(APIView):
    @extend_schema(operation_id="quota_retrieve", responses=QuotaOut)
    def get(self, request: Request, slug: str) -> Response:
        """The quota of a project: its limits, what is used, what is left."""
        return answer(find_project(caller(request), slug), caller(request))

    @extend_schema(operation_id="quota_change", request=QuotaChange, responses=QuotaOut)
    def patch(self, request: Request, slug: str) -> Response:
        """Set limits, as staff or as an admin of a project above. Limits that are not named stay as they are."""
        project = find_project(caller(request), slug)
        wanted = QuotaChange.read(request.data)
        columns, enforced = quotas.columns_in(wanted), enforced_in(wanted)
        set_limits(project=project, actor=caller(request), limits=columns, enforced=enforced)
        publishing.request_cycle()
        if not chosen.is_local():
            publishing.request_quota_sync(project.slug)
        return answer(project, caller(request))


class QuotaSyncView(APIView):
    @extend_schema(operation_id="quota_sync", request=None, responses=QuotaOut)
    def post(self, request: Request, slug: str) -> Response:
        """Bring limits and usage in line with the provider, now. The local provider derives usage anew each time it is read."""
        Nothing.read(request.data)
        project = find_project(caller(request), slug)
        quota_sync.sync(project.slug, patience=SYNC_PATIENCE)
        return answer(project, caller(request))


class UsageView(APIView):
    @extend_schema(operation_id="projects_usage", responses=QuotaOut)
    def get(self, request: Request, slug: str) -> Response:
        """What a project and everything below it hold at this moment."""
        return answer(find_project(caller(request), slug), caller(request))


def enforced_in(wanted: dict[str, Any]) -> bool | None:
    enforced: bool | None = wanted.get("enforced", wanted.get("enforce_quota"))
    if wanted.get("enforce_quota", enforced) != enforced:
        raise InvalidError([FieldError("enforce_quota", "Says something else than enforced.", "contradiction")])
    return enforced


def answer(project: Project, user: User) -> Response:
    standing = standing_now(user)
    account = account_in(standing, project.slug)
    row = None if chosen.is_local() else NativeQuotaRow.objects.filter(project=project).first()
    return Response(
        {
            "project": account.project,
            "provider": settings.QUOTA_PROVIDER,
            "enforced": account.enforced,
            "limits": _shown(account.limits),
            "usage": _shown(account.usage),
            "available": _shown(account.available),
            "borrowing_limits": _shown(account.borrowing),
            "lending_limits": _shown(account.lending),
            "user_limits": _shown(account.user_limits),
            "user_usage": _shown({name: standing.of_user[project.slug].get(name) for name in LIMITS}),
            "max_nodes": account.max_nodes,
            "gpu_models": account.gpu_models,
            "gpu_models_usage": usage_by_model(standing.tree, project.slug),
            "borrowed": _shown(account.borrowed),
            "lent": _shown(account.lent),
            "enforce_quota": account.enforced,
            "bars": [quotas.bar(one) for one in bars_in(standing, project.slug)],
            "kept_outputs": kept_outputs(project),
            "pending_cost": None if account.pending_cost is None else str(account.pending_cost),
            # The local provider derives usage as it is read.
            "synced_at": timezone.now() if chosen.is_local() else row and row.synced_at,
            "native": row and native(row),
            **quotas.flat(account.limits, account.usage, account.available),
        }
    )


def kept_outputs(project: Project) -> dict[str, Any]:
    standing = standing_of(project.pk)
    level = standing.tightest
    return {
        "used_gb": rounded_gb(standing.used),
        "limit_gb": level and level.most_gb,
        "limit_of": level and level.slug,
        "limit_used_gb": level and level.used_gb,
        "code_gb": rounded_gb(standing.code),
        "sentence": standing.sentence,
    }


def native(row: NativeQuotaRow) -> dict[str, Any]:
    limits = {name: row.hard.get(name) for name in LIMITS}
    used = {name: row.used.get(name, 0) for name in LIMITS}
    left = {name: None if limit is None else max(0, limit - used[name]) for name, limit in limits.items()}
    return {"holder": row.holder, "fault": row.fault, **quotas.flat(limits, used, left)}


def _shown(amounts: Any) -> dict[str, Any]:
    return {quotas.shown_name(name): quotas.shown(name, amount) for name, amount in amounts.items()}


class _Budgets(GenericAPIView[Budget]):
    queryset = Budget.objects.none()
    orderings = {"id": "id", "-id": "-id"}

    def page_of(self, rows: QuerySet[Budget]) -> Response:
        page = self.paginate_queryset(
            self.filter_queryset(rows.select_related("project", "webhook").prefetch_related("alerts"))
        )
        return self.get_paginated_response(BudgetOut(reports_of(page or ()), many=True).data)


class BudgetsView(_Budgets):
    @extend_schema(operation_id="budgets_list", responses=BudgetOut(many=True))
    def get(self, request: Request) -> Response:
        """The budgets of all your projects, with what is spent, committed and expected in the period that is now."""
        return self.page_of(Budget.objects.filter(project__in=visible_projects(caller(request))))


class ProjectBudgetsView(_Budgets):
    @extend_schema(operation_id="projects_budgets_list", responses=BudgetOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The project's own budgets, in the same way."""
        return self.page_of(Budget.objects.filter(project=find_project(caller(request), slug)))

    @extend_schema(operation_id="budgets_create", request=BudgetIn, responses={201: BudgetOut}, filters=False)
    @transaction.atomic
    def post(self, request: Request, slug: str) -> Response:
        """A new budget: a hard one by staff or an admin of a project above, another one by the project's own admins too."""
        project = find_project(caller(request), slug)
        wanted = BudgetIn.read(request.data)
        webhook = webhook_in(wanted)
        made = setting.set_budget(project, setting.BudgetRequest(**wanted), caller(request))
        if webhook is not None:
            setting.set_webhook(made, caller(request), *webhook)
        publishing.request_cycle()
        return Response(shown(made), status=201)


class BudgetView(APIView):
    @extend_schema(operation_id="budgets_retrieve", responses=BudgetOut)
    def get(self, request: Request, budget_id: int) -> Response:
        """One budget, with what became of it in the period that is now."""
        return Response(shown(setting.find_budget(caller(request), budget_id)))

    @extend_schema(operation_id="budgets_change", request=BudgetChange, responses=BudgetOut)
    @transaction.atomic
    def patch(self, request: Request, budget_id: int) -> Response:
        """Change a budget, as those who may set it. A lower one stops new starts; what runs goes on."""
        wanted = BudgetChange.read(request.data)
        webhook = webhook_in(wanted)
        changed = setting.find_budget(caller(request), budget_id)
        if webhook is not None:
            setting.set_webhook(changed, caller(request), *webhook)
        if wanted:
            changed = setting.change_budget(changed, caller(request), **wanted)
        publishing.request_cycle()
        return Response(shown(changed))

    @extend_schema(operation_id="budgets_delete", request=None, responses={204: None})
    @transaction.atomic
    def delete(self, request: Request, budget_id: int) -> Response:
        """Remove a budget, as those who may set it. What was spent stays in the ledger."""
        setting.remove_budget(setting.find_budget(caller(request), budget_id), caller(request))
        publishing.request_cycle()
        return Response(status=204)


def shown(budget: Budget) -> object:
    [report] = reports_of([budget])
    return BudgetOut(report).data
