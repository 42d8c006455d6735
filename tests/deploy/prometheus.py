"""The real tools that read deploy/prometheus/, and a Prometheus that scrapes a site as deploy/prometheus/ says."""

import os
import shutil
import subprocess
from collections.abc import Sequence
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
    return subprocess.run(command, cwd=FOLDER, input=text, capture_output=True, text=True, check=False, timeout=300)


class Store:
    """A server that scrapes a site and exporters of nodes, in the folder given, and answers queries as Prometheus does."""

    ready = "/-/ready"

    def __init__(self, folder: Path, nodes: Sequence[str] = ()) -> None:
        self.folder = folder
        (folder / "nodes.yml").write_text(yaml.safe_dump([{"targets": list(nodes)}]))
        self.url = f"http://{LOOPBACK}:{pick_free()}"
        self._client = httpx.Client(base_url=self.url, timeout=10)
        self._processes: list[subprocess.Popen[bytes]] = []

    def commands(self) -> list[list[str]]:
        """The server's, and then those of what it needs."""
        raise NotImplementedError

    def configured(self, name: str, site: str, token: str) -> Path:
        """The shipped configuration of this name, only that it scrapes `site`, and looks every other second."""
        (self.folder / "metrics-token").write_text(token)
        shutil.copy(FOLDER / "trainyard.rules.yml", self.folder)
        shipped = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
        shipped["global"]["scrape_interval"] = "2s"
        if "evaluation_interval" in shipped["global"]:
            shipped["global"]["evaluation_interval"] = "1s"
        shipped["scrape_configs"][0]["static_configs"] = [{"targets": [urlsplit(site).netloc]}]
        (self.folder / name).write_text(yaml.safe_dump(shipped))
        return self.folder / name

    def __enter__(self) -> Self:
        for number, command in enumerate(self.commands()):
            log = self.folder / f"{number}.log"
            with log.open("wb") as output:
                started = subprocess.Popen(
                    command, cwd=self.folder, stdout=output, stderr=output, start_new_session=True
                )
            self._processes.append(started)
            wait_for(self._ready, 60, f"{command[0]}, see {log}")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        for process in reversed(self._processes):
            process.kill()
            process.wait(20)

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What the expression gives now; fails with the server's words where it is wrong."""
        assert all(process.poll() is None for process in self._processes), f"one has ended, see {self.folder}"
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
        assert self._processes[-1].poll() is None, f"it has ended, see {self.folder}"
        try:
            return self._client.get(self.ready).is_success
        except httpx.TransportError:
            return False


class Prometheus(Store):
    """With deploy/prometheus/prometheus.yml."""

    def __init__(self, folder: Path, site: str, token: str, nodes: Sequence[str] = ()) -> None:
        super().__init__(folder, nodes)
        self._config = self.configured("prometheus.yml", site, token)

    def commands(self) -> list[list[str]]:
        options = {
            "config.file": self._config,
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": urlsplit(self.url).netloc,
            "log.level": "warn",
        }
        return [[tool("prometheus"), *(f"--{name}={value}" for name, value in options.items())]]


class VictoriaMetrics(Store):
    """With deploy/prometheus/victoria-metrics.yml, and a vmalert beside it for the rules."""

    ready = "/health"

    def __init__(self, folder: Path, site: str, token: str, nodes: Sequence[str] = ()) -> None:
        super().__init__(folder, nodes)
        self._config = self.configured("victoria-metrics.yml", site, token)

    def commands(self) -> list[list[str]]:
        server = {
            "promscrape.config": self._config,
            "storageDataPath": self.folder / "data",
            "httpListenAddr": urlsplit(self.url).netloc,
            "search.latencyOffset": "0s",  # it leaves out what is newer, as it may not be whole
        }
        rules = {
            "rule": "trainyard.rules.yml",
            "external.label": "docs=https://docs.example",
            **{f"{what}.url": self.url for what in ("datasource", "remoteWrite", "remoteRead")},
            "notifier.url": f"http://{LOOPBACK}:9",  # nobody is told
            "evaluationInterval": "1s",
            "remoteWrite.flushInterval": "1s",
            "httpListenAddr": f"{LOOPBACK}:{pick_free()}",
        }
        both = (("victoria-metrics", server), ("vmalert", rules))
        return [[tool(name), *(f"-{key}={value}" for key, value in options.items())] for name, options in both]
