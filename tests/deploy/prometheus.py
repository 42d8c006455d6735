"""The real tools that read deploy/prometheus/, and a Prometheus that scrapes a site as deploy/prometheus/ says."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from local_stack.servers.ports import LOOPBACK, pick_free
from tests.architecture import source
from tests.waiting import wait_for

FOLDER = source.ROOT / "deploy/prometheus"
FETCHED = source.ROOT / ".venv/prometheus/usr/bin"


def tool(name: str) -> str:
    """Where it is; without it the test is skipped, with a word on how to get it."""
    found = shutil.which(name, path=f"{FETCHED}{os.pathsep}{os.environ['PATH']}")
    return found or pytest.skip(f"There is no {name} here: on Debian and Ubuntu `make prometheus` fetches it.")


def run(name: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """In the folder of the rules, to its end."""
    command = [tool(name), *arguments]
    return subprocess.run(command, cwd=FOLDER, input=text, capture_output=True, text=True, check=False, timeout=60)


class Prometheus:
    """Started with deploy/prometheus/prometheus.yml, only that it scrapes `site`, and looks every other second."""

    def __init__(self, folder: Path, site: str, token: str) -> None:
        self.url = f"http://{LOOPBACK}:{pick_free()}"
        (folder / "metrics-token").write_text(token)
        shutil.copy(FOLDER / "trainyard.rules.yml", folder)
        shipped = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
        shipped["global"].update(scrape_interval="2s", evaluation_interval="1s")
        shipped["scrape_configs"][0]["static_configs"] = [{"targets": [urlsplit(site).netloc]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(shipped))
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": urlsplit(self.url).netloc,
            "log.level": "warn",
        }
        self.command = [tool("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
        self.log = folder / "prometheus.log"
        self._client = httpx.Client(base_url=self.url, timeout=10)

    def __enter__(self) -> Self:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output, start_new_session=True)
        wait_for(self._ready, 30, f"Prometheus, see {self.log}")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self.process.kill()
        self.process.wait(20)

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What the expression gives now; fails with Prometheus' words where it is wrong."""
        answer = self._get("query", query=expression)
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        return list(answer["data"]["result"])

    def names(self) -> set[str]:
        """Of all that it has seen so far, what rules made of it among them."""
        return set(self._get("label/__name__/values")["data"])

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Those that fire or are about to, by name."""
        return {one["labels"]["alertname"]: one for one in self._get("alerts")["data"]["alerts"]}

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        return dict(self._client.get(f"/api/v1/{what}", params=parameters).json())

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False
