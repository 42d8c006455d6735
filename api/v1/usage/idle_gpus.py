"""What becomes of jobs whose GPUs idle: the rules of projects and queues."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.http.permissions import caller
from api.http.shapes import StrictSerializer, Whole
from jobs.control.idle_gpu_rules import remove_rule, rule_of, set_rule
from jobs.models import Queue
from quotas.models import Project
from quotas.queries import find_project
from scheduling.errors import NotFoundError
from scheduling.idle_gpus import MOST_MINUTES, MOST_REQUEUES, OFF
from scheduling.priorities import HIGHEST

MINUTES: dict[str, Any] = {"most": MOST_MINUTES, "least": 1, "required": False, "allow_null": True}


class IdleGpuRuleIn(StrictSerializer):
    """What is left out stays; in a new rule nothing happens but what it says."""

    warn_minutes = Whole(**MINUTES, help_text="So long no GPU of a job has worked: it is warned; null: never.")
    suggest_minutes = Whole(**MINUTES, help_text="Then it is told what can be done; null: never.")
    requeue_minutes = Whole(
        **MINUTES, help_text="Then it saves its work and goes back in line, if it is checkpointable; null: never."
    )
    stop_minutes = Whole(**MINUTES, help_text="Then it is ended, as `idle`; null: never.")
    requeue_priority = Whole(
        HIGHEST, required=False, help_text="Its priority from then on, unless its own is lower. Default: 10."
    )
    max_requeues = Whole(
        MOST_REQUEUES, least=1, required=False, help_text="So often one job is requeued for this. Default: 1."
    )
    start_minutes = Whole(
        MOST_MINUTES, required=False, help_text="The first minutes of an attempt, which do not count. Default: 10."
    )


class IdleGpuRuleOut(serializers.Serializer[Any]):
    warn_minutes = serializers.IntegerField(allow_null=True)
    suggest_minutes = serializers.IntegerField(allow_null=True)
    requeue_minutes = serializers.IntegerField(allow_null=True)
    stop_minutes = serializers.IntegerField(allow_null=True)
    requeue_priority = serializers.IntegerField()
    max_requeues = serializers.IntegerField()
    start_minutes = serializers.IntegerField()
    from_project = serializers.CharField(
        allow_null=True, help_text="Whose rule that is: its own, or of one above; null: of the queue, or there is none."
    )
    changed_by = serializers.CharField(allow_null=True)
    changed_at = serializers.DateTimeField(allow_null=True)


class ProjectIdleGpusView(APIView):
    @extend_schema(operation_id="project_idle_gpus_retrieve", responses=IdleGpuRuleOut)
    def get(self, request: Request, slug: str) -> Response:
        """The rule that holds for the project, its own or inherited; its queue may have a stricter one."""
        return shown(find_project(caller(request), slug))

    @extend_schema(operation_id="project_idle_gpus_set", request=IdleGpuRuleIn, responses=IdleGpuRuleOut)
    def patch(self, request: Request, slug: str) -> Response:
        """Set it for the project and what lies below it, by its administrators; without any minutes nothing happens."""
        return changed(find_project(caller(request), slug), request)

    @extend_schema(operation_id="project_idle_gpus_remove", request=None, responses=IdleGpuRuleOut)
    def delete(self, request: Request, slug: str) -> Response:
        """Have it as the project above has it, by its administrators."""
        return removed(find_project(caller(request), slug), request)


class QueueIdleGpusView(APIView):
    @extend_schema(operation_id="queue_idle_gpus_retrieve", responses=IdleGpuRuleOut)
    def get(self, request: Request, name: str) -> Response:
        """The queue's rule. Of it and that of a job's project the stricter holds, rung by rung."""
        return shown(_queue(name))

    @extend_schema(operation_id="queue_idle_gpus_set", request=IdleGpuRuleIn, responses=IdleGpuRuleOut)
    def patch(self, request: Request, name: str) -> Response:
        """Set it, by staff."""
        return changed(_queue(name), request)

    @extend_schema(operation_id="queue_idle_gpus_remove", request=None, responses=IdleGpuRuleOut)
    def delete(self, request: Request, name: str) -> Response:
        """Have none, by staff: the rules of projects hold alone."""
        return removed(_queue(name), request)


def changed(of: Project | Queue, request: Request) -> Response:
    set_rule(of, IdleGpuRuleIn.read(request.data), caller(request))
    return shown(of)


def removed(of: Project | Queue, request: Request) -> Response:
    remove_rule(of, caller(request))
    return shown(of)


def shown(of: Project | Queue) -> Response:
    rule = rule_of(of)
    whose = None if rule is None or rule.project is None else rule.project.slug
    known = {
        **asdict(OFF if rule is None else rule.ladder),
        "from_project": whose,
        "changed_by": rule and rule.changed_by,
        "changed_at": rule and rule.changed_at,
    }
    return Response(IdleGpuRuleOut(known).data)


def _queue(name: str) -> Queue:
    queue = Queue.objects.filter(name=name).first()
    if queue is None:
        raise NotFoundError(f"There is no queue {name}.")
    return queue
