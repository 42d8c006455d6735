"""The image of the Dockerfile, really built, and its entry point as Kubernetes starts it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PROGRAMS = ("buildah", "debootstrap", "unshare")
MADE = ROOT / ".venv" / "image"
SCRIPT = Path(__file__).with_name("image_check.sh")


@pytest.mark.timeout(1800)
def test_the_image_is_built_and_answers_without_root_on_a_root_that_cannot_be_written():
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.getuid():
        pytest.skip(
            f"The image is built with buildah and debootstrap, as root: there is no {', '.join(missing) or 'root'} here"
        )
    if not (MADE / "root").exists():
        pytest.skip("The image's stand-in base is not there: `make image-check` makes it, in some minutes")
    done = subprocess.run(
        ["sh", str(SCRIPT)],
        env={**os.environ, "IMAGE_CHECK_FOLDER": str(MADE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "it starts as trainyard (10001:10001)" in done.stdout
    assert "System check identified no issues" in done.stdout
    assert "answers /api/v1/healthz with 200" in done.stdout
