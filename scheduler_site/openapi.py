"""What the OpenAPI description says of all addresses alike."""

from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.views import SpectacularAPIView

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
    target_class = "scheduler_site.authentication.BearerTokens"
    name = "token"


class SchemaView(SpectacularAPIView):
    """The OpenAPI description of everything under /api/v1/, for everybody."""

    throttle_classes = ()


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may also answer with a problem document."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = ANSWER
    return result
