"""Small disks of the drill's own: covered read-only under those who write, and uncovered again."""

import subprocess
import sys

import pytest

from chaos import disks
from tests.acceptance.platform import ROOT

COVER_OFTEN = """
import sys, threading, time
from pathlib import Path
from chaos import disks

home = Path(sys.argv[1])
disks.mount(home)
refused = threading.Event()
def write():
    while True:
        try:
            (home / "written").write_text("x")
        except OSError:
            refused.set()
for _ in range(3):
    threading.Thread(target=write, daemon=True).start()
for _ in range(20):
    refused.clear()
    disks.cover_read_only(home)
    assert refused.wait(10)
    disks.unmount(home)
    (home / "writable").touch()
disks.unmount(home)
"""


@pytest.mark.skipif(not disks.mounts_allowed(), reason="only root can mount disks that nobody else sees")
def test_a_disk_is_covered_read_only_while_somebody_opens_files_for_writing(tmp_path):
    home = tmp_path / "n1"
    home.mkdir()
    alone = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", COVER_OFTEN, str(home)]
    done = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr
