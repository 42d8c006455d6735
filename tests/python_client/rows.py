"""Answers of the server."""

from typing import Any


def job(**more: Any) -> dict[str, Any]:
    known = {
        "id": 7, "name": "digits", "project": "vision", "queue": "default", "owner": "ada", "state": "running", "node": "n1",
        "attempt": 1, "progress": 0.5, "metrics": {"loss": 0.25}, "resources": {"gpus": 0, "cpus": 1}, "reasons": [],
        "exit_code": None, "end_reason": "", "message": "", "workload": None,
    }  # fmt: skip
    return known | more


def outputs(*paths: str, state: str = "kept", **more: Any) -> dict[str, Any]:
    files = [
        {"kind": "output", "path": path, "size": 3, "state": "kept", "sha256": "ab", "link": "", "executable": False}
        for path in paths
    ]
    return {"job": 7, "attempt": 1, "state": state, "files": files, "next": None, **more}
