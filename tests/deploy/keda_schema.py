"""What of KEDA's kinds our manifests use, by its documentation: its own definitions are not to be had here as a package."""

from typing import Any

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


SCALED_OBJECT = _object(
    ["scaleTargetRef", "triggers"],
    scaleTargetRef=_object(["name"], apiVersion={"type": "string"}, kind={"type": "string"}, name=NAME),
    pollingInterval={"type": "integer", "minimum": 1},
    cooldownPeriod={"type": "integer", "minimum": 0},
    minReplicaCount={"type": "integer", "minimum": 0},
    maxReplicaCount={"type": "integer", "minimum": 1},
    advanced=_object(
        ["horizontalPodAutoscalerConfig"],
        horizontalPodAutoscalerConfig=_object(["behavior"], behavior={"type": "object"}),
    ),
    triggers={
        "type": "array",
        "minItems": 1,
        "items": _object(
            ["type", "metadata"],
            type={"enum": ["metrics-api"]},
            authenticationRef=_object(
                ["name"], name=NAME, kind={"enum": ["TriggerAuthentication", "ClusterTriggerAuthentication"]}
            ),
            # All of a trigger's metadata are strings, numbers too.
            metadata=_object(
                ["url", "valueLocation", "targetValue"],
                **{
                    word: {"type": "string"}
                    for word in (
                        "url",
                        "valueLocation",
                        "targetValue",
                        "activationTargetValue",
                        "authMode",
                        "format",
                        "unsafeSsl",
                    )
                },
            ),
        ),
    },
)
TRIGGER_AUTHENTICATION = _object(
    [],
    secretTargetRef={
        "type": "array",
        "items": _object(
            ["parameter", "name", "key"], parameter={"enum": ["token"]}, name=NAME, key={"type": "string"}
        ),
    },
)
SPECS = {"ScaledObject": SCALED_OBJECT, "TriggerAuthentication": TRIGGER_AUTHENTICATION}


def definition(kind: str) -> dict[str, Any]:
    """As a CustomResourceDefinition, for an API server to judge by."""
    plural = f"{kind.lower()}s"
    spec = _without_closed(SPECS[kind])
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": spec}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.keda.sh"},
        "spec": {
            "group": "keda.sh",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


def _without_closed(schema: Any) -> Any:
    """An API server does not take closed objects, and prunes instead; open ones it wants to be told."""
    if isinstance(schema, list):
        return [_without_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _without_closed(value) for name, value in schema.items() if name != "additionalProperties"}
    if kept == {"type": "object"}:
        kept["x-kubernetes-preserve-unknown-fields"] = True
    if "enum" in kept:
        kept["type"] = "string"
    return kept
