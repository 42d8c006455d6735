"""What an operator says of a cluster: `manage.py bridge --set NAME=VALUE`, each word checked before anything is begun."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from scheduling.priorities import CLASSES

NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
TOLERATION = re.compile(r"(?P<key>[A-Za-z0-9./_-]+)(=(?P<value>[A-Za-z0-9._-]*))?(:(?P<effect>\w+))?")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
YES, NO = ("yes", "true", "1"), ("no", "false", "0")
Toleration = dict[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """Everything has a default with which a plain cluster runs jobs."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    service_account: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    claim: str = ""
    claim_path: str = ""
    kueue_queue: str = ""
    priority_classes: tuple[str, ...] = ()
    """Of urgent, normal and background jobs; none: the cluster's default."""
    tolerations: tuple[Toleration, ...] = ()
    nodes: str = ""
    """A label selector: only these nodes are ours to use."""
    gpu_resource: str = "nvidia.com/gpu"
    gpu_label: str = "nvidia.com/gpu.product"
    gpu_memory_label: str = "nvidia.com/gpu.memory"
    reporter: bool = True
    image_patience: float = 300.0
    room_patience: float = 300.0


def read(words: Mapping[str, str]) -> Options:
    """Raises ValueError, naming the word that is unknown or wrong, and what would be right."""
    known = {field.name: field for field in fields(Options)}
    found: dict[str, Any] = {}
    for word, text in words.items():
        name = word.strip().replace("-", "_")
        if name not in known:
            raise ValueError(f"{word}: no option of a Kubernetes; it has {', '.join(sorted(known))}.")
        try:
            found[name] = READ.get(name, _name)(text.strip())
        except ValueError as error:
            raise ValueError(f"{word}={text!r}: {error}.") from None
    return Options(**found)


def _name(text: str) -> str:
    if text and not NAME.fullmatch(text):
        raise ValueError("Give a name as Kubernetes has them: small letters, digits, dashes and dots")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(_name(part) for part in re.split(r"[,\s]+", text) if part)


def _priority_classes(text: str) -> tuple[str, ...]:
    names = _names(text)
    if len(names) not in (0, len(CLASSES)):
        raise ValueError(f"Give three PriorityClasses, of {', '.join(CLASSES)} jobs, or none")
    return names


def _folder(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError("Give a folder inside the claim, without / at its beginning and without ..")
    return text.strip("/")


def _tolerations(text: str) -> tuple[Toleration, ...]:
    return tuple(_toleration(part) for part in re.split(r"[,\s]+", text) if part)


def _toleration(text: str) -> Toleration:
    found = TOLERATION.fullmatch(text)
    if found is None or (found["effect"] or EFFECTS[0]) not in EFFECTS:
        raise ValueError(f"{text!r}: write KEY, KEY=VALUE, KEY:EFFECT or KEY=VALUE:EFFECT with {', '.join(EFFECTS)}")
    value = {"operator": "Exists"} if found["value"] is None else {"operator": "Equal", "value": found["value"]}
    return {"key": found["key"], **value, **({"effect": found["effect"]} if found["effect"] else {})}


def _yes(text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        raise ValueError("Say yes or no")
    return text.lower() in YES


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds <= 7 * 86_400:
        raise ValueError("Give seconds, more than 0 and at most a week")
    return seconds


READ: Mapping[str, Callable[[str], Any]] = {
    "kubeconfig": str,
    "context": str,
    "nodes": str,
    "gpu_resource": str,
    "gpu_label": str,
    "gpu_memory_label": str,
    "image_pull_secrets": _names,
    "claim_path": _folder,
    "priority_classes": _priority_classes,
    "tolerations": _tolerations,
    "reporter": _yes,
    "image_patience": _seconds,
    "room_patience": _seconds,
}
"""How each word is read that is no plain name."""
