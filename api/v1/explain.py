"""Why a job waits and when it will start; and what would become of one that is not submitted yet."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.authentication import caps_of
from api.http.permissions import caller, job_to_read
from api.v1.shapes.jobs import ReasonOut, spec_of
from api.v1.shapes.quotes import QuoteIn, RunsOut
from jobs.models import TokenCaps
from jobs.planning.start_forecasts import moment
from jobs.reports.explain import Explanation, Holder, explain
from jobs.reports.quote import quote
from jobs.submission.pricing import BASES
from scheduling import memory_units
from scheduling.reasons import Reason


class HeldAmount(serializers.Serializer[Any]):
    """What one job has of what a quota is short of; what it has nothing of is left out."""

    job = serializers.IntegerField()
    gpus = serializers.IntegerField(required=False)
    cpus = serializers.IntegerField(required=False)
    memory_gb = serializers.FloatField(required=False)
    running_jobs = serializers.IntegerField(required=False)


class ToldReason(ReasonOut):
    holds = HeldAmount(many=True, help_text="Of a quota: what each job that you may see has of it.")
    expected_clear = serializers.DateTimeField(
        allow_null=True, help_text="When it will probably no longer hold; null: somebody has to do something first."
    )


class GivesWay(serializers.Serializer[Any]):
    """A running job that is stopped for this one, and the work that it has to do again."""

    job = serializers.IntegerField()
    strategy = serializers.CharField()
    lost_seconds = serializers.FloatField()


class HolderOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    project = serializers.CharField()
    owner = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    node = serializers.CharField(allow_null=True)
    expected_end = serializers.DateTimeField(allow_null=True)


class StartOut(serializers.Serializer[Any]):
    """If nobody is submitted that goes first. `soonest` and `latest` are null where nobody can say."""

    expected = serializers.DateTimeField(allow_null=True)
    soonest = serializers.DateTimeField(allow_null=True)
    latest = serializers.DateTimeField(allow_null=True)
    later_than = serializers.DateTimeField(
        allow_null=True, help_text="How far was looked, where no start was found; null: as things are there is none."
    )


class KeptRoom(serializers.Serializer[Any]):
    start = serializers.DateTimeField(help_text="At the latest, if nobody runs beyond their limit.")
    nodes = serializers.ListField(
        child=serializers.CharField(),
        help_text="Empty where room is kept for it inside its quotas and its queue alone, which refuse it now.",
    )


class ChangeOut(serializers.Serializer[Any]):
    """One field of the job or of its workload, and the value nearest to its own with which it would start now."""

    field = serializers.CharField()
    to = serializers.JSONField(allow_null=True)
    sentence = serializers.CharField()


ChangeOut._declared_fields["from"] = serializers.JSONField(allow_null=True)  # noqa: SLF001 - a word of Python's own


class Happened(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    sentence = serializers.CharField()


class CriterionOut(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="price, speed, fit, reliability or latency.")
    value = serializers.FloatField(
        allow_null=True,
        help_text="Price: of all its time there; speed: seconds; fit: the part of the machine that is left over; reliability: "
        "failures of late; latency: 0 near its data, 1 elsewhere, or the label's. Null: nobody knows.",
    )
    scaled = serializers.FloatField(help_text="From 0, good, to 1, bad.")
    weight = serializers.FloatField(help_text="Of the job's queue. The score is the sum of scaled times weight.")


class CandidateOut(serializers.Serializer[Any]):
    node = serializers.CharField()
    score = serializers.FloatField(allow_null=True, help_text="The less the better; null: the strategy scores nothing.")
    criteria = CriterionOut(many=True, help_text="What the score is made of.")
    words = serializers.CharField(help_text="What else the node is preferred by.")


class NodeChoiceOut(serializers.Serializer[Any]):
    """Why which node: of a waiting job as things are, of any other as they were when it was placed."""

    strategy = serializers.CharField()
    picked = serializers.CharField(help_text="The strategy that this one picked; empty: it picks none.")
    why = serializers.CharField(help_text="Why it picked that.")
    order = serializers.CharField(help_text="What nodes are preferred by.")
    basis = serializers.ChoiceField(
        ["now", "empty", "decided"],
        help_text="now: nodes with room at the moment; empty: too few have room, so as if nothing ran; decided: as it was "
        "written down when the job was placed, the chosen nodes and the best of the others.",
    )
    at = serializers.DateTimeField(help_text="When that was.")
    able = serializers.IntegerField(allow_null=True, help_text="How many nodes had room; null: not written down.")
    candidates = CandidateOut(many=True, help_text="The best of them.")


class Outlook(serializers.Serializer[Any]):
    """What the scheduler would do with the job if it planned now."""

    position = serializers.IntegerField(
        allow_null=True,
        help_text="1 is next; null for a job that could not start if there was room (held, depends on others, paused queue) "
        "or that does not wait.",
    )
    line_length = serializers.IntegerField(help_text="How many jobs have a place in line.")
    starts_now = serializers.BooleanField(help_text="Whether the next scheduling cycle starts it.")
    nodes = serializers.ListField(child=serializers.CharField(), help_text="Where it would start now.")
    reasons = ToldReason(many=True)
    holders = HolderOut(many=True, help_text="Those jobs in held_by and in gives_way that you may see.")
    other_holders = serializers.IntegerField(help_text="How many of them you may not see.")
    predicted_start = StartOut(allow_null=True)
    floor_start = serializers.DateTimeField(
        allow_null=True,
        help_text="By when it starts at the latest, by the limits of those before it; null: its start has no floor, or nobody "
        "can say.",
    )
    reservation = KeptRoom(allow_null=True, help_text="Room that is kept for it.")
    gives_way = GivesWay(many=True, help_text="Running jobs that are stopped to make room for it.")
    changes = ChangeOut(
        many=True,
        help_text="What would start it now, each alone, by a PATCH of the job; `resources.*` holds for a new submission, too. "
        "`quota` is for those who may set it: the limits by project.",
    )
    placement = NodeChoiceOut(allow_null=True, help_text="Null: it was never placed, or nobody wrote down why.")


class ExplanationOut(Outlook):
    job = serializers.IntegerField()
    state = serializers.CharField()
    before_its_turn = serializers.BooleanField(
        help_text="It runs before its turn, and gives way when another's turn comes that needs its place."
    )
    history = Happened(many=True, help_text="How it came to be where it is.")


class QuoteOut(Outlook):
    estimated_cost = serializers.FloatField(allow_null=True, help_text="Null while nothing has a price.")
    cost_basis = serializers.ChoiceField(BASES, allow_blank=True)
    runs = RunsOut(help_text="All that was asked for together.")


class ExplainView(APIView):
    @extend_schema(operation_id="jobs_explain", responses=ExplanationOut)
    def get(self, request: Request, job_id: int) -> Response:
        """Why the job waits and until when, what would start it now, and when it will start; how it came to run."""
        job = job_to_read(request, job_id)
        told = explain(job, caller(request))
        happened = [{"at": one.at, "sentence": one.sentence} for one in told.history]
        own = {"job": job.pk, "state": job.state, "before_its_turn": told.before_its_turn}
        return Response({**own, **outlook(told), "history": happened})


class QuoteView(APIView):
    @extend_schema(operation_id="jobs_quote", request=QuoteIn, responses=QuoteOut)
    def post(self, request: Request) -> Response:
        """What would become of this job, or of the first of several, if it were submitted now, and what all would cost.

        Refuses what POST /jobs refuses; writes nothing.
        """
        return Response(quoted(QuoteIn.read(request.data), caller(request), caps_of(request)))


def quoted(wanted: dict[str, Any], user: User, caps: TokenCaps | None) -> dict[str, Any]:
    specs = [spec_of(one) for one in wanted["jobs"]]
    found = quote(specs, user, count=wanted.get("count", 1), at_most=wanted.get("at_most"), caps=caps)
    cost = None if found.estimated_cost is None else float(found.estimated_cost)
    known = {"estimated_cost": cost, "cost_basis": found.cost_basis, "runs": RunsOut(found.runs).data}
    return {**outlook(found.told), **known}


def outlook(told: Explanation) -> dict[str, Any]:
    start, kept = told.start, told.reservation
    return {
        "position": told.position,
        "line_length": told.line_length,
        "starts_now": told.starts_now,
        "nodes": told.nodes,
        "reasons": [_reason(one) for one in told.reasons],
        "holders": [_holder(one) for one in told.holders],
        "other_holders": told.other_holders,
        "predicted_start": start
        and {name: moment(getattr(start, name)) for name in ("expected", "soonest", "latest", "later_than")},
        "floor_start": moment(start.floor) if start else None,
        "reservation": kept and {"start": moment(kept.start), "nodes": [share.node for share in kept.shares]},
        "gives_way": [
            {"job": one.job_id, "strategy": one.strategy, "lost_seconds": round(one.lost_seconds, 1)}
            for one in told.gives_way
        ],
        "changes": [change.as_data() for change in told.changes],
        "placement": told.placement,
    }


def _reason(one: Reason) -> dict[str, Any]:
    holds = [{"job": job_id, **_amounts(amounts)} for job_id, amounts in one.holds.items()]
    return {**one.as_data(), "holds": holds, "expected_clear": moment(one.expected_clear)}


def _amounts(amounts: Mapping[str, int]) -> dict[str, float]:
    memory = {"memory_gb": memory_units.gigabytes(amounts["memory_mb"])} if "memory_mb" in amounts else {}
    return {name: amount for name, amount in amounts.items() if name != "memory_mb"} | memory


def _holder(one: Holder) -> dict[str, Any]:
    job = one.job
    return {
        "id": job.pk,
        "name": job.name,
        "project": job.project.slug,
        "owner": job.owner.username if job.owner else None,
        "state": job.state,
        "node": job.node.name if job.node else None,
        "expected_end": one.expected_end,
    }
