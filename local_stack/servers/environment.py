"""What the stack's processes find in their environment, kept in TRAINYARD_HOME/env for commands given beside them."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from local_stack.servers import private_files

FOR_AGENTS = "TRAINYARD_AGENT_DATABASE_URL"
"""What agents find in that file instead of DATABASE_URL: they have a role of their own."""


def given(name: str) -> bool:
    """Whether the person who starts the stack names this server, so that none is started for it."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def use(variables: Mapping[str, str]) -> None:
    """Let every process that is started from here find these."""
    for name in variables:
        # Either would win over the variable itself.
        os.environ.pop(f"{name}_FILE", None)
        os.environ.pop(name.replace("_URL", "_PASSWORD"), None)
    os.environ.update(variables)


def write(path: Path, variables: Mapping[str, str]) -> None:
    """In a form that both `settings.py` and a shell read: `set -a; . .trainyard/env`."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
    private_files.write(path, "# The local stack runs with this. Written by `manage.py up`.\n" + "".join(lines))
