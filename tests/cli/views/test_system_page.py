"""`trainyard system`: what is wrong stands there in words, and secrets do not."""

import json

import pytest

WELL = {"ok": True, "detail": "It works."}
MOMENT = "2030-05-01T12:00:00Z"
TOLD = {
    "services": dict.fromkeys(("web", "beat", "control", "database"), WELL) | {"broker": {"ok": False, "detail": "It does not answer."}},
    "versions": {
        "platform": "1.2", "python": "3.11.7", "postgresql": "18.6", "broker": "unknown", "skewed": True,
        "agents": [{"version": "1.1", "nodes": 2, "skewed": True}],
    },
    "queues": {"detail": "The broker does not answer (TimeoutError).", "whole": False, "depths": []},
    "cycle": {"started_at": MOMENT, "duration_ms": 12.34, "count": 7, "placed": 2, "waiting": 9, "alerts": []},
    "beat": {"last_tick": None, "task": "", "silent": True, "period_seconds": 5},
    "sweep": {"swept_at": MOMENT, "leases_judged_from": None},
    "audits": [{"books": "quotas", "at": MOMENT, "duration_ms": 3.0, "drift": {"gpus": 2}, "suspects": 1, "mended": {}}],
    "fleet": {"nodes": 3, "deaf": {"count": 1, "names": ["n2"]}, "lost": {"count": 0, "names": []}},
    "alerts": [{"sentence": "The disk is full.", "since": MOMENT}],
    "database": {"bytes": 1610612736, "connections": 12, "max_connections": 100, "tables": [{"name": "jobs_job", "bytes": 2048, "rows": 1000}]},
    "logs": {"kind": "files", "place": "/yard/logs", "free_bytes": 1073741824},
    "pools": [],
    "settings": [
        {"name": "TRAINYARD_SECRET_KEY", "value": None, "source": "environment", "secret": True},
        {"name": "TRAINYARD_LEASE_SECONDS", "value": 45.0, "source": "trainyard.yaml:3", "secret": False},
    ],
    "taken_ms": 8.5,
}  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        "broker    It does not answer.", "1.1 on 2 nodes, not the site's", "took 12.3 ms, placed 2, 9 wait", "beat        never",
        "deaf nodes  1: n2", "! The disk is full.", "The broker does not answer (TimeoutError).", "gpus 2", "1.5 GB, 12 of 100 connections",
        "files in /yard/logs, 1 GB free", "(secret)", "trainyard.yaml:3",
    ],
)  # fmt: skip
def test_the_page_says(trainyard, connected, words):
    connected.answers("GET", "system", TOLD)
    assert words in trainyard("system").out


def test_for_scripts_it_is_what_the_server_said(trainyard, connected):
    connected.answers("GET", "system", TOLD)
    assert json.loads(trainyard("system", "--json").out) == TOLD
