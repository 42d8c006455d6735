"""The platform as it stands in a container: a user that is not root and has no capability, and a root file system that cannot be written.

`/tmp`, `/dev/shm` and TRAINYARD_HOME can be, as deploy/kubernetes/ mounts them. Without a container: in a mount namespace.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from local_stack.servers.ports import LOOPBACK, pick_free
from tests.acceptance.platform import Platform, submitted, wait_for_state
from tests.waiting import wait_for

NOBODY = 65_534
READ_ONLY = "mount --bind /tmp /tmp && mount -o remount,bind,ro / && exec setpriv --reuid={0} --regid={0} --clear-groups --no-new-privs --bounding-set=-all"
SHUT_IN = ["unshare", "--mount", "--propagation", "private", "sh", "-c", READ_ONLY.format(NOBODY) + ' "$@"', "sh"]
"""What stands before a command that is to run so."""
TRY = (
    f"import os, sys, django; assert os.getuid() and sys.base_prefix == {sys.base_prefix!r}, 'another Python';"
    " open('/proc/self/comm'); open('never-made', 'w')"
)
"""Where others cannot read the Python of a `.venv`, the system's own may come to stand in for it, with packages that aren't its."""


class Container(Platform):
    def _start(self, name: str, command: list[str], **extra: str) -> None:
        super()._start(name, [*SHUT_IN, *command], **extra)


@pytest.fixture
def container(platform: Platform) -> Iterator[Container]:
    tried = subprocess.run([*SHUT_IN, sys.executable, "-c", TRY], capture_output=True, text=True, check=False)
    if "Read-only file system: 'never-made'" not in tried.stderr:
        pytest.skip(f"Only root may make a mount namespace in which others can read this Python: {tried.stderr[-200:]}")
    home = Path(tempfile.mkdtemp(prefix="read-only-"))  # below pytest's own folder only root may look
    os.chown(home, NOBODY, NOBODY)
    shut_in = Container(home, platform.broker_url)
    shut_in.environment |= {"HOME": str(home), "TRAINYARD_PROOF_FOLDER": str(home / "proof")}
    yield shut_in
    shut_in.close()
    shutil.rmtree(home)


def test_every_process_works_and_says_so_to_its_probes(container: Container):
    container.start("n1", beat=True)
    (job,) = submitted('echo made > "$TRAINYARD_OUTPUT_DIR/result" && ! touch /usr/written 2>/dev/null')
    wait_for_state(job, "completed", platform=container)
    for mark in ("sent", "done", "turned"):
        wait_for((container.home / "proof" / mark).exists, 30, mark)
    port = pick_free()
    container._start("web", [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "scheduler_site.wsgi"],
                     TRAINYARD_PORT=str(port), TRAINYARD_SECRET_KEY="for-the-test-only", TRAINYARD_WEB_WORKERS="1")  # fmt: skip
    wait_for(
        partial(answers, f"http://{LOOPBACK}:{port}/api/v1/healthz"), 60, lambda: f"the site; {container.log('web')}"
    )
    assert container.stop("n1") == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
