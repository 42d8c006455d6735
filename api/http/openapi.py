"""What the OpenAPI description says of all addresses alike."""

import copy
from typing import Any

from django.views.generic import TemplateView
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.views import SpectacularAPIView

from api.http.field_words import PARAMETERS, WORDS

PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "example": "urn:trainyard:problem:invalid"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string"},
        "instance": {"type": "string", "example": "/api/v1/jobs"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string", "example": "resources.gpus"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string", "description": "Our log knows the request by it."},
        "state": {"type": "string", "description": "In a conflict: the state that the thing is in."},
    },
}
ANSWER = {
    "description": "A problem document.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class BearerScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    target_class = "api.http.authentication.BearerTokens"
    name = "token"


class SchemaView(SpectacularAPIView):
    """The OpenAPI description of everything under /api/v1/, for everybody."""

    throttle_classes = ()


class DocumentationView(TemplateView):
    """The same as pages to read and to try out, from this site alone: it works without the internet."""

    template_name = "documentation.html"


def add_words(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say of each field what it means, where it does not say so itself."""
    for shape, schema in result["components"]["schemas"].items():
        for name, value in schema.get("properties", {}).items():
            words = WORDS.get(f"{shape}.{name}") or WORDS.get(name)
            if words and not value.get("description"):
                schema["properties"][name] = _described(value, words)
    operations = (operation for path in result["paths"].values() for operation in path.values())
    for parameter in (one for operation in operations for one in operation.get("parameters", [])):
        if not parameter.get("description") and parameter["name"] in PARAMETERS:
            parameter["description"] = PARAMETERS[parameter["name"]]
    return result


def _described(value: dict[str, Any], words: str) -> dict[str, Any]:
    """Beside a reference nothing else counts, so it is wrapped."""
    return {"allOf": [value], "description": words} if "$ref" in value else {**value, "description": words}


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may also answer with a problem document."""
    result["components"]["schemas"]["Problem"] = copy.deepcopy(PROBLEM)
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = ANSWER
    return result
