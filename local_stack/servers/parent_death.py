"""Children that do not outlive the process that started them, even when it is killed with SIGKILL."""

import shutil
import subprocess
from functools import cache


def signalled_with(name: str) -> tuple[str, ...]:
    """What to put before a command so that the kernel sends it this signal ("TERM") when its parent's thread ends.

    Empty where the system cannot do that (macOS): what is left over is then cleared away at the next start.
    """
    return ("setpriv", "--pdeathsig", name, "--") if _can_bind() else ()


@cache
def _can_bind() -> bool:
    if not shutil.which("setpriv"):
        return False
    trial = ["setpriv", "--pdeathsig", "TERM", "--", "true"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0
