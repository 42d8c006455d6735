"""Containers by the runtime that a machine has: which one answers, and the words by which a command runs in an image.

The runtime stays in the foreground under the shim of the command, whose output and end are the container's. Whoever ends
it without a word is followed by `remove`: a daemon's container outlives its client.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

AUTO, NONE = "auto", "none"
DOCKER, PODMAN = "docker", "podman"
OF_USERS = ("apptainer", "singularity")
"""They start a command as the user that they are started as, with no privilege and no daemon."""
KNOWN = (PODMAN, DOCKER, *OF_USERS)
TRIALS = {
    PODMAN: ("info", "--format", "{{.Version.Version}}"),
    DOCKER: ("version", "--format", "{{.Server.Version}}"),
    **dict.fromkeys(OF_USERS, ("--version",)),
}
TRIAL_SECONDS = 20.0
RUNTIME_FAILED = 125
"""The exit code by which docker and podman say that it was they who failed, not the command."""
OF_CLIENT = ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS")
PREFIXES_OF_CLIENT = (
    "DOCKER_",
    "CONTAINER",
    "REGISTRY_AUTH_FILE",
    "STORAGE_",
    "APPTAINER_",
    "SINGULARITY_",
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)


class LinesError(ValueError):
    """A variable that cannot be given to a container; its name."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A path of the machine under the same name in the container."""

    path: str
    writable: bool = True

    @property
    def words(self) -> str:
        return f"{self.path}:{self.path}{'' if self.writable else ':ro'}"


@dataclass(frozen=True, slots=True)
class Box:
    """What a container is given, beside its command."""

    image: str
    name: str
    cwd: str
    env_file: str
    mounts: Sequence[Mount]
    uid: int
    gid: int
    gpus: Sequence[str] = ()
    memory_bytes: int = 0
    cores: Sequence[int] = ()
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Runtime:
    """One of the known runtimes, by its program."""

    kind: str
    program: str

    @property
    def as_user(self) -> bool:
        """Whether it is to be started as the user as which the command runs."""
        return self.kind in OF_USERS

    def run(self, box: Box, argv: Sequence[str]) -> list[str]:
        """The words that run `argv` in a container, in the foreground."""
        if self.as_user:
            binds = [word for mount in box.mounts for word in ("--bind", mount.words)]
            nv = ["--nv"] if box.gpus else []
            own = ["exec", "--containall", "--no-home", "--cleanenv", "--env-file", box.env_file, "--pwd", box.cwd]
            return [self.program, *own, *binds, *nv, box.image, *argv]
        limits = [
            *([f"--memory={box.memory_bytes}"] if box.memory_bytes else []),
            *([f"--cpuset-cpus={','.join(map(str, box.cores))}"] if box.cores else []),
            *([f"--pids-limit={box.processes}"] if box.processes else []),
        ]
        keep = ["--userns=keep-id"] if self.kind == PODMAN and os.geteuid() != 0 else []
        own = [
            "run",
            "--rm",
            f"--name={box.name}",
            "--pull=never",
            "--network=host",
            "--security-opt=no-new-privileges",
        ]
        own += ["--cap-drop=ALL", f"--user={box.uid}:{box.gid}", f"--workdir={box.cwd}", f"--env-file={box.env_file}"]
        binds = [f"--volume={mount.words}" for mount in box.mounts]
        entry = [f"--entrypoint={argv[0]}", box.image, *argv[1:]]
        return [self.program, *own, *keep, *limits, *self._gpus(box), *binds, *entry]

    def _gpus(self, box: Box) -> list[str]:
        if not box.gpus:
            return []
        if self.kind == DOCKER:
            return [f'--gpus="device={",".join(box.gpus)}"']
        return [f"--device=nvidia.com/gpu={gpu}" for gpu in box.gpus]

    def has(self, image: str) -> list[str]:
        """The words by which it says whether it has the image; none where only a try can tell."""
        return [] if self.as_user else [self.program, "image", "inspect", image]

    def pull(self, image: str) -> list[str]:
        """The words that fetch it, or try it out."""
        return [self.program, "exec", image, "true"] if self.as_user else [self.program, "pull", image]

    def remove(self, name: str) -> list[str]:
        """The words that end a container of that name; none where it ends with its process."""
        return [] if self.as_user else [self.program, "rm", "--force", name]


def detect(setting: str, environ: Mapping[str, str]) -> Runtime | None:
    """The runtime that `setting` names, or for `auto` the first that answers. Raises ValueError for one that does not."""
    if setting == NONE:
        return None
    if setting != AUTO:
        found = _found(setting, environ)
        if found is None:
            raise ValueError(
                f"TRAINYARD_CONTAINER_RUNTIME={setting}: it is not here, or does not answer. Known: {', '.join(KNOWN)}."
            )
        return found
    return next((found for name in KNOWN if (found := _found(name, environ))), None)


def _found(program: str, environ: Mapping[str, str]) -> Runtime | None:
    kind, path = Path(program).name, shutil.which(program, path=environ.get("PATH"))
    if kind not in KNOWN or path is None:
        return None
    runtime = Runtime(kind, path)
    return runtime if succeeds([path, *TRIALS[kind]], environ, TRIAL_SECONDS) else None


def succeeds(argv: Sequence[str], environ: Mapping[str, str], seconds: float) -> bool:
    """Whether it ends well in that time."""
    try:
        done = subprocess.run(argv, env=dict(environ), capture_output=True, timeout=seconds, check=False, cwd="/")
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def of_client(environ: Mapping[str, str]) -> dict[str, str]:
    """What the runtime's own program gets of the agent's environment; nothing of a job's, whose variables it would heed."""
    return {
        name: value
        for name, value in environ.items()
        if name in OF_CLIENT or name.upper().startswith(PREFIXES_OF_CLIENT)
    }


def env_lines(env: Mapping[str, str]) -> str:
    """As a file that runtimes read. Raises LinesError for a value of several lines."""
    for name, value in env.items():
        if "\n" in value or "\r" in value:
            raise LinesError(name)
    return "".join(f"{name}={value}\n" for name, value in env.items())
