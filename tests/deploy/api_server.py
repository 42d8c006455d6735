"""A real API server of Kubernetes 1.20 on this machine, with its controllers and scheduler, and no machine to run pods on.

`make kubernetes` builds it; without it what needs it is skipped. It is older than what people run: autoscaling/v2 and policy/v1
came later, and fields of later versions are taken without a word. Those are judged by the schemas of later versions.
"""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local_stack.servers.ports import LOOPBACK, pick_free
from tests.architecture import source
from tests.waiting import wait_for

FOLDER = source.ROOT / ".venv/kubernetes"
KUBECTL = source.ROOT / ".venv/bin/kubectl"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
ADMIN = "for-the-tests-only"
CONTROLLERS = (
    "resourcequota,namespace,job,serviceaccount,serviceaccount-token,garbagecollector,replicaset,deployment,disruption"
)


class ApiServer:
    """What it started ends with it. `hurry`: its controllers and scheduler may ask as often as they like, not 20 times a second."""

    def __init__(self, folder: Path, *, hurry: bool = False) -> None:
        self.folder = folder
        self._pace = {"kube_api_qps": "1000", "kube_api_burst": "1000"} if hurry else {}
        self.url = f"https://{LOOPBACK}:{pick_free()}"
        self.authority = folder / "certificates/apiserver.crt"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._api: subprocess.Popen[bytes] | None = None
        self.controllers: subprocess.Popen[bytes] | None = None
        self._store = ""

    def kubeconfig(self, token: str = ADMIN, namespace: str = "default") -> Path:
        """For whoever has that token."""
        named = {
            "clusters": [{"name": "it", "cluster": {"server": self.url, "certificate-authority": str(self.authority)}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
        }
        path = self.folder / f"kubeconfig-{abs(hash((token, namespace)))}"
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "it", **named}))
        return path

    def kubectl(self, *words: str, text: str = "", check: bool = True) -> str:
        """What it printed, as the administrator. Fails with what it had to say."""
        command: list[str | Path] = [KUBECTL, "--kubeconfig", self.kubeconfig(), *words]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + (done.stderr if not check else "")

    def ask(self, *words: str) -> Any:
        return json.loads(self.kubectl(*words, "-o", "json"))

    def start(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        self._accounts.write_bytes(key.private_bytes(*encoding, serialization.NoEncryption()))
        (self.folder / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n')
        self._store, peer = (f"http://{LOOPBACK}:{pick_free()}" for _ in range(2))
        self._run(
            "etcd", data_dir=self.folder / "etcd", listen_client_urls=self._store, advertise_client_urls=self._store,
            listen_peer_urls=peer, initial_advertise_peer_urls=peer, initial_cluster=f"default={peer}",
            unsafe_no_fsync="true",
        )  # fmt: skip
        wait_for(lambda: answers(f"{self._store}/health"), 60, self._what("etcd"))
        self.start_api()
        self.controllers = self._run(
            "kube-controller-manager", kubeconfig=self.kubeconfig(), controllers=CONTROLLERS, leader_elect="false",
            service_account_private_key_file=self._accounts, resource_quota_sync_period="2s", port="0",
            bind_address=LOOPBACK, secure_port=pick_free(), cert_dir=self.folder / "certificates-of-controllers",
            **self._pace,
        )  # fmt: skip
        wait_for(lambda: '"secrets"' in self.kubectl("get", "sa", "default", "-o", "json", check=False), 60, "accounts")

    def start_api(self) -> None:
        """The API server alone, as `kill_api` left it."""
        self._api = self._run(
            "kube-apiserver", etcd_servers=self._store, bind_address=LOOPBACK, advertise_address=LOOPBACK,
            secure_port=self.url.rpartition(":")[2], cert_dir=self.authority.parent,
            token_auth_file=self.folder / "tokens.csv", authorization_mode="RBAC",
            service_cluster_ip_range="10.96.0.0/24", endpoint_reconciler_type="none",
            service_account_issuer="https://kubernetes.default.svc", service_account_signing_key_file=self._accounts,
            service_account_key_file=self._accounts, profiling="false",
        )  # fmt: skip
        wait_for(lambda: answers(f"{self.url}/readyz", self.authority), 120, self._what("kube-apiserver"))

    def kill_api(self) -> None:
        assert self._api is not None
        self._api.kill()
        self._api.wait(20)
        self._processes.remove(self._api)

    def start_scheduler(self) -> None:
        """What puts pods on nodes, where a test has any."""
        self._run(
            "kube-scheduler", kubeconfig=self.kubeconfig(), leader_elect="false", port="0", bind_address=LOOPBACK,
            secure_port=pick_free(), cert_dir=self.folder / "certificates-of-the-scheduler", **self._pace,
        )  # fmt: skip

    @property
    def _accounts(self) -> Path:
        return self.folder / "accounts.key"

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(20)

    def _run(self, name: str, **options: Any) -> "subprocess.Popen[bytes]":
        words = [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen([FOLDER / name, *words], stdout=output, stderr=output, start_new_session=True)
        self._processes.append(process)
        return process

    def _what(self, name: str) -> str:
        return f"{name}, see {self.folder / name}.log"


def answers(url: str, authority: Path | None = None) -> bool:
    if authority is not None and not authority.exists():
        return False
    try:
        verify = ssl.create_default_context(cafile=authority)
        return httpx.get(url, verify=verify, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=5).is_success
    except (httpx.TransportError, ssl.SSLError):  # the certificate may be half written
        return False


def why_absent() -> str:
    """Why none can be started here; empty if one can."""
    if all((FOLDER / name).exists() for name in PROGRAMS):
        return ""
    return "There is no API server of Kubernetes here: on Debian 12 `make kubernetes` builds one, in some minutes."


@contextmanager
def api_server(folder: Path, *, hurry: bool = False) -> Iterator[ApiServer]:
    if reason := why_absent():
        pytest.skip(reason)
    server = ApiServer(folder, hurry=hurry)
    try:
        server.start()
        yield server
    finally:
        server.close()


def rendered(folder: str) -> list[dict[str, Any]]:
    """What `kubectl apply -k deploy/kubernetes/FOLDER` would send."""
    return list(yaml.safe_load_all(rendered_text(folder)))


def rendered_text(folder: str | Path) -> str:
    path = source.ROOT / "deploy/kubernetes" / folder
    known = {"PATH": os.environ["PATH"]}
    command: list[str | Path] = [KUBECTL, "kustomize", path]
    done = subprocess.run(command, capture_output=True, text=True, env=known, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
