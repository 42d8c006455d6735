"""The README's commands, word by word, as somebody types them who has just cloned: on the PATH of a plain Debian."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.servers.ports import pick_free
from local_stack.servers.roles import CHECKOUT
from tests.waiting import wait_for

PLAIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE = {".trainyard", ".git"}
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TAKEN_PORT = "127.0.0.1:8000"  # somebody may be using it: the one thing that is not taken literally

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / ".venv" / ".installed").exists(), reason="`make` has not installed .venv"
)


def blocks(heading: str) -> list[str]:
    """The commands below a heading of the README, block by block."""
    _, _, rest = (CHECKOUT / "README.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    return BLOCK.findall(rest.partition("\n## ")[0])


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The checkout with a `.trainyard` of its own."""
    folder = tmp_path / "trainyard"
    folder.mkdir()
    for entry in CHECKOUT.iterdir():
        if entry.name not in PRIVATE:
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def shell_environment(clone: Path) -> dict[str, str]:
    return {
        "PATH": PLAIN_PATH,
        "HOME": str(clone),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TRAINYARD_HOME": str(clone / ".trainyard"),
        "TRAINYARD_PORT": str(pick_free()),
        "FLOWER_PORT": str(pick_free()),
    }


@pytest.fixture
def up(clone: Path, shell_environment: dict[str, str]) -> Iterator[None]:
    """`make up` in a first terminal."""
    first, *_ = blocks("Your own job")
    assert first.startswith("make up ")
    log = (clone / "up.log").open("w")
    process = subprocess.Popen(
        ["sh", "-ec", first], cwd=clone, env=shell_environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        wait_for(
            lambda: "Data" in (clone / "up.log").read_text() or process.poll() is not None, 150, "the stack to be up"
        )
        assert process.poll() is None, (clone / "up.log").read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


@pytest.mark.timeout(500)
@pytest.mark.usefixtures("up")
def test_the_commands_of_the_readme_do_what_they_say(clone: Path, shell_environment: dict[str, str]):
    _, *mine = blocks("Your own job")
    words = "".join([*mine, *blocks("Try a policy before it is switched on")])
    script = words.replace(TAKEN_PORT, f"127.0.0.1:{shell_environment['TRAINYARD_PORT']}")

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=clone, env=shell_environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy" in done.stdout, "the first job shows what it writes"
    assert '"state":"pending"' in done.stdout, "REST takes the same job"
