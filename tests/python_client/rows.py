"""Answers of the server."""

from hashlib import sha256
from typing import Any


def job(**more: Any) -> dict[str, Any]:
    known = {
        "id": 7, "name": "digits", "project": "vision", "queue": "default", "owner": "ada", "state": "running", "node": "n1",
        "attempt": 1, "progress": 0.5, "metrics": {"loss": 0.25}, "resources": {"gpus": 0, "cpus": 1}, "reasons": [],
        "exit_code": None, "end_reason": "", "message": "", "workload": None,
    }  # fmt: skip
    return known | more


def outputs(*paths: str, state: str = "kept", holds: bytes = b"abc", **more: Any) -> dict[str, Any]:
    file = {"kind": "output", "size": len(holds), "state": "kept", "sha256": sha256(holds).hexdigest(), "link": ""}
    file["executable"] = False
    files = [{**file, "path": path, "url": f"/api/v1/jobs/7/outputs/{path}"} for path in paths]
    return {"job": 7, "attempt": 1, "state": state, "files": files, "next": None, **more}
