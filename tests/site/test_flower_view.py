"""However Flower is started, it asks for a login and takes no order."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def flower(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "celery", "-A", "scheduler_site", "flower", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWER_")}
    return subprocess.run(
        command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def test_without_a_login_it_does_not_start():
    refused = flower("--port=0")
    assert refused.returncode == 1
    assert "set FLOWER_BASIC_AUTH=user:password" in refused.stderr
