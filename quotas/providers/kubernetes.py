"""Quotas as ResourceQuotas of a Kubernetes: one for each project that has limits."""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

from django.conf import settings

from clusters.kubernetes import quantities
from clusters.kubernetes.connection import GONE, Connection, DeniedError, JsonObject, KubernetesError
from clusters.kubernetes.watched import pages
from quotas.providers.base import CountsByItself, ProviderError, Standing, wanted
from scheduling.native_quotas import NativeAmounts

KEYS = {
    "gpus": "requests.nvidia.com/gpu",
    "cpus": "requests.cpu",
    "memory_mb": "requests.memory",
    "running_jobs": "pods",
}
OURS = {"app.kubernetes.io/managed-by": "trainyard"}
PLACE = "{project}"
T = TypeVar("T")


def name_of(project: str) -> str:
    return f"project-{project}"


def namespace_of(project: str) -> str:
    return str(settings.K8S_QUOTA_NAMESPACE).replace(PLACE, project)


def holder_of(project: str) -> str:
    return f"ResourceQuota {name_of(project)} of Kubernetes (namespace {namespace_of(project)})"


def hard_of(limits: NativeAmounts) -> dict[str, str]:
    """As a ResourceQuota says it; what has no limit is not in it."""
    amounts = {KEYS[name]: amount for name, amount in limits._asdict().items() if amount is not None}
    return {key: f"{amount}Mi" if key == KEYS["memory_mb"] else str(amount) for key, amount in amounts.items()}


def amounts_of(quantities_there: Mapping[str, object], rounded: Callable[[float], int]) -> NativeAmounts:
    """Of limits rounded down, of use rounded up: a part of a core is one that nobody else gets."""
    found = {}
    for name, key in KEYS.items():
        if key in quantities_there:
            number = quantities.number(quantities_there[key])
            found[name] = rounded(number / quantities.MB if name == "memory_mb" else number)  # type: ignore[arg-type]
    return NativeAmounts(**found)


class KubernetesQuotas(CountsByItself):
    """Reads all in one list. Where K8S_CREATE_RESOURCE_QUOTAS they are ours: made, put back and removed as our rows say; else theirs hold."""

    kind = "kubernetes"

    @cached_property
    def _connection(self) -> Connection:
        return Connection(kubeconfig=settings.K8S_KUBECONFIG, context=settings.K8S_CONTEXT)

    def get_quota(self, project_id: str) -> Standing | None:
        """One request."""
        found = _said(lambda: self._one(project_id))
        try:
            return None if found is None else _standing(project_id, found)
        except ValueError as error:
            raise ProviderError(f"{holder_of(project_id)} cannot be read: {error}.") from None

    def sync(self, project_id: str | None = None) -> Mapping[str, Standing]:
        """One list for all, and a request more for each that is not as our rows say."""
        limits = wanted(project_id)
        there = _said(lambda: self._listed(limits))
        standings = {}
        for project, limit in limits.items():
            standings[project] = self._synced(project, limit, there.get(project))
        return standings

    def _synced(self, project: str, limits: NativeAmounts, there: JsonObject | None) -> Standing:
        """A no to one project (its namespace is not there, say) is no matter of the others'."""
        try:
            found = self._in_line(project, limits, there) if settings.K8S_CREATE_RESOURCE_QUOTAS else there
            return _standing(project, found)
        except (DeniedError, ValueError) as error:
            return Standing(holder_of(project), fault=str(error))
        except KubernetesError as error:
            raise ProviderError(str(error)) from None

    def _listed(self, projects: Mapping[str, object]) -> dict[str, JsonObject]:
        one_place = PLACE not in settings.K8S_QUOTA_NAMESPACE
        path = (
            f"/api/v1/namespaces/{settings.K8S_QUOTA_NAMESPACE}/resourcequotas"
            if one_place
            else "/api/v1/resourcequotas"
        )
        named = {(namespace_of(project), name_of(project)): project for project in projects}
        found = {}
        for page in pages(self._connection, path):
            for item in page.get("items") or []:
                project = named.get((item["metadata"]["namespace"], item["metadata"]["name"]))
                if project is not None:
                    found[project] = item
        return found

    def _one(self, project: str) -> JsonObject | None:
        try:
            return self._connection.ask(f"read {name_of(project)}", "GET", _path(project, name_of(project)))
        except DeniedError as error:
            if error.status == GONE:
                return None
            raise

    def _in_line(self, project: str, limits: NativeAmounts, there: JsonObject | None) -> JsonObject | None:
        """As it is once it says what our row does."""
        name, hard = name_of(project), hard_of(limits)
        if not hard:
            if there is not None and there["metadata"].get("labels", {}).items() >= OURS.items():
                self._connection.ask(f"remove {name}", "DELETE", _path(project, name))
                return None
            return there
        if there is None:
            body = {"metadata": {"name": name, "labels": OURS}, "spec": {"hard": hard}}
            return self._connection.ask(
                f"make {name}", "POST", _path(project), body={"apiVersion": "v1", "kind": "ResourceQuota", **body}
            )
        said = there["spec"].get("hard") or {}
        if said == hard:
            return there
        changed: JsonObject = {"metadata": {"labels": OURS}, "spec": {"hard": {**dict.fromkeys(said), **hard}}}
        return self._connection.ask(f"change {name}", "PATCH", _path(project, name), body=changed)


def _path(project: str, *name: str) -> str:
    return "/".join((f"/api/v1/namespaces/{namespace_of(project)}/resourcequotas", *name))


def _standing(project: str, there: JsonObject | None) -> Standing:
    """Raises ValueError for what is no quantity."""
    if there is None:
        return Standing(holder_of(project))
    hard = amounts_of(there["spec"].get("hard") or {}, math.floor)
    used = amounts_of((there.get("status") or {}).get("used") or {}, math.ceil)
    return Standing(holder_of(project), hard, used)


def _said(asked: Callable[[], T]) -> T:
    try:
        return asked()
    except KubernetesError as error:
        raise ProviderError(str(error)) from None
