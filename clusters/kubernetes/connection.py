"""The connection to one API server: who we are there, requests that end in time, and what it says when it says no."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import client, config
from urllib3 import HTTPResponse, Retry, Timeout
from urllib3.exceptions import HTTPError

SECONDS = (5.0, 30.0)
"""To connect, and to answer."""
AT_ONCE = 32
"""Connections that are kept, not a limit."""
GONE, TAKEN, EXPIRED = 404, 409, 410
UNKNOWN_TO_IT = 401
PATCHED = "application/merge-patch+json"
ITS_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
JsonObject = dict[str, Any]


class KubernetesError(Exception):
    """A sentence for the operator."""


class NotConfiguredError(KubernetesError):
    """Nothing says which Kubernetes is meant, or not in a way that can be read."""


class SilentError(KubernetesError):
    """It did not answer, or not with sense: what was asked for may have happened or not. `status` 0: no answer at all."""

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class DeniedError(KubernetesError):
    """It answered no. `words` are its own, `status` is the HTTP status, `reason` its word for it (AlreadyExists, Invalid)."""

    def __init__(self, what: str, status: int, reason: str, words: str) -> None:
        super().__init__(f"Kubernetes does not {what}: {words}.")
        self.status = status
        self.reason = reason
        self.words = words


class Connection:
    """May be used by several threads. Nothing is asked before the first request.

    Who we are is said by the pod's own account, or by a kubeconfig: that which is named, else KUBECONFIG's.
    """

    def __init__(self, *, kubeconfig: str = "", context: str = "") -> None:
        """Raises NotConfiguredError."""
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = threading.Lock()
        self._api, self.namespace = self._load()
        self._expired = False

    def ask(
        self,
        what: str,
        method: str,
        path: str,
        *,
        body: JsonObject | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> JsonObject:
        """What it answers to a request. `what` completes "Kubernetes does not ...". Raises SilentError, DeniedError."""
        with self._errors(what):
            found = json.loads(self._request(method, path, body, query).data)
        if not isinstance(found, dict):
            raise SilentError(f"Kubernetes answers with something else than an object: cannot {what}.")
        return found

    def read(self, what: str, path: str, *, query: Mapping[str, Any]) -> bytes:
        """An answer that is bytes, such as a log, whole. Raises as `ask`."""
        with self._errors(what):
            return self._request("GET", path, None, query).data

    @contextmanager
    def stream(
        self, what: str, path: str, *, query: Mapping[str, Any], silence: float = SECONDS[1]
    ) -> Iterator[HTTPResponse]:
        """An answer to be read bit by bit, closed after; more than `silence` seconds without a byte end it as SilentError."""
        with self._errors(what):
            answer = self._request("GET", path, None, query, (SECONDS[0], silence))
            try:
                yield answer
            finally:
                answer.close()  # the rest of it is nobody's: the connection cannot be used again

    def close(self) -> None:
        self._api.close()
        self._api.rest_client.pool_manager.clear()

    def _request(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        query: Mapping[str, Any] | None,
        seconds: tuple[float, float] = SECONDS,
    ) -> HTTPResponse:
        """By the client's connections and credentials, past its models: what goes over the wire is what was asked for."""
        api = self._fresh_api()
        content = PATCHED if method == "PATCH" else "application/json"
        headers = {**api.default_headers, "Accept": "application/json", "Content-Type": content}
        queries = list((query or {}).items())
        api.update_params_for_auth(headers, queries, ["BearerToken"])
        url = f"{api.configuration.host}{path}" + (f"?{urlencode(queries)}" if queries else "")
        answer: HTTPResponse = api.rest_client.pool_manager.request(
            method, url, body=None if body is None else json.dumps(body).encode(), headers=headers,
            timeout=Timeout(connect=seconds[0], read=seconds[1]), preload_content=False,
        )  # fmt: skip
        if answer.status >= 400:  # noqa: PLR2004
            error = client.ApiException(status=answer.status, reason=answer.reason)
            error.body = answer.data.decode(errors="replace")
            raise error
        return answer

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except client.ApiException as error:
            raise self._error(what, error) from None
        except config.ConfigException as error:
            raise SilentError(f"Kubernetes cannot be asked, {str(error).rstrip('.')}: cannot {what}.") from None
        except (HTTPError, OSError, ValueError) as error:
            raise SilentError(f"Kubernetes does not answer ({type(error).__name__}): cannot {what}.") from None

    def _error(self, what: str, error: client.ApiException) -> KubernetesError:
        reason, words = _words(error)
        status = int(error.status or 0)
        if status == UNKNOWN_TO_IT:
            self._expired = True
            return SilentError(
                f"Kubernetes does not know who asks (401, {words}): cannot {what}. Is the token still good?"
            )
        if status in (0, 408, 429) or status >= 500:  # noqa: PLR2004
            return SilentError(f"Kubernetes answers with {status or 'an error'} ({words}): cannot {what}.", status)
        return DeniedError(what, status, reason, words)

    def _fresh_api(self) -> client.ApiClient:
        """After a 401 everything is read again: whoever hands out tokens has written a new one meanwhile."""
        with self._lock:
            if self._expired:
                try:
                    self._api, self.namespace = self._load()
                except NotConfiguredError as error:
                    raise SilentError(str(error)) from None
                self._expired = False
            return self._api

    def _load(self) -> tuple[client.ApiClient, str]:
        wanted = client.Configuration()
        wanted.connection_pool_maxsize = AT_ONCE
        wanted.retries = Retry(0)  # whoever asks decides whether to ask again, and when
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ and not self._kubeconfig:
                config.load_incluster_config(client_configuration=wanted)
                namespace = ITS_NAMESPACE.read_text(encoding="utf-8").strip() if ITS_NAMESPACE.exists() else ""
            else:
                path, context = self._kubeconfig or os.environ.get("KUBECONFIG") or None, self._context or None
                config.load_kube_config(path, context, client_configuration=wanted)
                contexts, active = config.list_kube_config_contexts(path)
                chosen = next((one for one in contexts if one["name"] == context), active)
                namespace = chosen["context"].get("namespace", "")
        except (config.ConfigException, OSError) as error:
            words = str(error).rstrip(".")
            raise NotConfiguredError(f"No Kubernetes to speak to: {words}.") from None
        return client.ApiClient(wanted), namespace or "default"


def _words(error: client.ApiException) -> tuple[str, str]:
    """The reason in one word, and what it says."""
    body = error.body
    try:
        told = json.loads(body or "")
        return str(told.get("reason") or ""), str(told["message"]).rstrip(".")
    except (TypeError, ValueError, KeyError, AttributeError):
        return "", f"{error.status} {error.reason}"
