"""A client that is generated from the OpenAPI description reads every real answer, and meets no field it was not told of."""

import importlib.util
import json
import sys
from datetime import timedelta
from typing import Any

import pytest
from datamodel_code_generator import InputFileType, generate
from datamodel_code_generator.enums import DataModelType
from django.core.cache import cache
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.utils.encoders import JSONEncoder

from jobs.costs import settlement
from jobs.models import Job, Placement
from jobs.planning import cycle
from quotas.models import Price
from tests import builders
from tests.rest import V1, client_of

JSON = "application/json"


@pytest.fixture(scope="module")
def description():
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), cls=JSONEncoder))


@pytest.fixture(scope="module")
def client_code(description, tmp_path_factory):
    """The generated classes: they take nothing that the description does not name."""
    path = tmp_path_factory.mktemp("client") / "trainyard_client.py"
    generate(
        json.dumps(description), input_file_type=InputFileType.OpenAPI, output=path,
        output_model_type=DataModelType.PydanticV2BaseModel, extra_fields="forbid", formatters=[], strict_nullable=True,
    )  # fmt: skip
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


@pytest.fixture
def world(db):
    """Jobs in every state, with all that may be told of them, on nodes of every kind."""
    cache.clear()
    team = builders.project(slug="team", parent=builders.project(slug="top"), quota={"gpus": 4, "memory_mb": 2048})
    owner = builders.member(project=team, role="admin")
    node = builders.node(name="n1", gpus=2, load={"cpu_percent": 50, "gpus": []}, consuming=True)
    builders.node(name="n2", silent=True, cordoned=True, state="draining")
    over: dict[str, Any] = {"started_at": timezone.now() - timedelta(hours=1), "finished_at": timezone.now()}
    for state in ("completed", "failed", "cancelled"):
        builders.attempt(job=builders.job(project=team, state=state, end_reason="exit_code", exit_code=3, **over))
    running = builders.running_job(project=team, owner=owner, node=node, gpu_indices=[0], env={"A": "b"}, progress=0.5)
    builders.event(job=running, kind="started", from_state="assigned", to_state="running")
    builders.job(project=team, state="paused", deadline=timezone.now())
    Price.objects.create(target="cpu", per_hour=1, currency="EUR", valid_from=timezone.now() - timedelta(days=1))
    settlement.hold(list(Placement.objects.values_list("pk", flat=True)))
    held = builders.job(project=team, held_at=timezone.now(), held_by="ada")
    builders.job(project=team, gpus=64), builders.job(project=team, gpus=2, depends_on=[held])
    cycle.run_cycle()
    return running


ASKED = [
    f"jobs/{number}{part}"
    for number in ("RUNNING", "WAITING", "OVER")
    for part in ("", "/events", "/attempts", "/efficiency", "/explain", "/logs", "/metrics")
] + [
    "jobs", "jobs/scheduler/info", "queues", "queues/default", "queues/quota/team", "queues/quota/top", "projects",
    "projects/team", "projects/team/usage", "nodes", "nodes/n1", "nodes/n2", "reservations", "dashboard", "healthz", "readyz",
    "prices", "costs",
]  # fmt: skip
SENT = [
    ("jobs/quote", {"project": "team", "command": ["true"], "resources": {"gpus": 2}}),
    ("jobs", {"project": "team", "command": ["true"], "submission_key": "k"}),
    ("jobs/batch", {"jobs": [{"project": "team", "command": ["true"]}]}),
    ("jobs/RUNNING/cancel", {}),
    ("jobs/WAITING/hold", {}),
    ("jobs/scheduler/trigger", {"project_id": "team"}),
    ("queues/quota/team/sync", {}),
    ("queues", {"name": "night"}),
    ("projects", {"slug": "new", "parent": "team"}),
    ("nodes/n1/drain", {"reason": "dust"}),
    ("reservations", {"name": "cooling", "nodes": ["n1"], "start": "2099-01-01T00:00Z", "end": "2099-01-02T00:00Z"}),
    ("prices", {"target": "gpu_model", "name": "H100", "per_hour": "2.50"}),
    ("prices", {"target": "cpu", "per_hour": "2.50"}),
    ("jobs", {"project": "team", "command": []}),
]


@pytest.mark.parametrize(("method", "path", "body"), [("get", p, None) for p in ASKED] + [("post", *s) for s in SENT])
def test_it_reads_the_answer(description, client_code, world, method, path, body):
    states = {"RUNNING": ["running"], "WAITING": ["pending"], "OVER": ["failed"]}
    for word, state in states.items():
        found = Job.objects.filter(state__in=state, gpus__lt=60).order_by("-gpus").first()
        path = path.replace(word, str(found.pk if found else 0))
    staff = client_of(builders.user(staff=True))
    answer = getattr(staff, method)(f"{V1}/{path}", *([body] if body is not None else []))
    shape = shape_of(description, method, f"{V1}/{path}", answer)
    getattr(client_code, shape).model_validate_json(answer.content)


def shape_of(description, method, url, answer):
    """The name of the class that the description promises for this answer."""
    parts = url.split("/")
    [template] = [one for one in description["paths"] if fits(one.split("/"), parts, description["paths"])]
    promised = description["paths"][template][method]["responses"]
    told = promised.get(str(answer.status_code), promised["default"])["content"]
    kind = answer["Content-Type"].split(";")[0]
    return told[kind]["schema"]["$ref"].rpartition("/")[2]


def fits(template, parts, paths):
    if "/".join(parts) in paths:
        return template == parts
    alike = (one == part or (one.startswith("{") and part) for one, part in zip(template, parts, strict=False))
    return len(template) == len(parts) and all(alike)


def test_every_field_and_every_parameter_has_words(description):
    fields = {
        f"{shape}.{name}": value.get("description")
        for shape, schema in description["components"]["schemas"].items()
        for name, value in schema.get("properties", {}).items()
    }
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    asked = {
        f"{operation['operationId']}?{one['name']}": one.get("description")
        for operation in operations
        for one in operation.get("parameters", [])
    }
    assert [name for name, words in (fields | asked).items() if not words] == []
    assert [operation["operationId"] for operation in operations if not operation.get("description")] == []
