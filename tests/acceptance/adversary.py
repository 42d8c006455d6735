"""A program that tries, as a job, all that no job may do. It prints what it could do, as JSON: by the try, what it reached.

Run as `python adversary.py TARGETS`, a JSON object. May import nothing of ours: it has what any job has.
"""

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

TARGETS: dict[str, Any] = {}
"""By kind, what it aims at."""
PTRACE_SEIZE = 0x4206
DATABASE = re.compile(rb"postgres(?:ql)?://[^\s\"'\0]+")


def succeeds(what, *arguments):
    try:
        what(*arguments)
    except (OSError, ValueError):
        return False
    return True


def read(path):
    path = Path(path)
    return b" ".join(os.fsencode(name) for name in path.iterdir()) if path.is_dir() else path.read_bytes()[: 1 << 20]


def open_file(path):
    os.close(os.open(path, os.O_RDONLY))


def write(path):
    with Path(path).open("ab") as file:
        file.write(b'{"progress": 1.0}\n')


def touch(folder):
    path = Path(folder, "adversary-was-here")
    path.touch()
    path.unlink()


def attach(pid):
    if ctypes.CDLL(None, use_errno=True).ptrace(PTRACE_SEIZE, pid, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def readable(paths):
    return [path for path in paths if succeeds(read, path)]


def environments():
    """Of every process that it can see and is not its own, its parents above all."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found[str(path)] = read(path)
        except OSError:
            continue
    return found


def foreign_environments():
    secrets = [secret.encode() for secret in TARGETS["secrets"]]
    return [path for path, words in environments().items() if any(secret in words for secret in secrets)]


def foreign_commands():
    """But for this one and what it forks, which were told the mark."""
    mark, found = TARGETS["mark"].encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = read(path)
        except OSError:
            continue
        if mark in words and b"adversary.py" not in words:
            found.append(str(path))
    return found


def databases():
    """Those that let it in with what it has found: in environments, in files, and by guessing."""
    import psycopg

    places = [*environments().values(), *(read(path) for path in readable(TARGETS["platform"]) if Path(path).is_file())]
    urls = {url.decode() for words in places for url in DATABASE.findall(words)}
    return [url for url in urls if succeeds(connect, psycopg, url)]


def connect(psycopg, url):
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.Error as error:
        raise OSError(str(error)) from None


def reach(address):
    socket.create_connection(tuple(address), timeout=3).close()


def stay():
    """A process in a session of its own, without a mark, whose parents have ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            words = [sys.executable, "-S", "-c", "import time; time.sleep(120)", TARGETS["stays"]]
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.execve(sys.executable, words, {})  # noqa: S606
        os._exit(0)
    os.wait()


def as_root():
    """Whether it is, or anything makes it so."""
    if os.geteuid() == 0:
        return ["its user id"]
    asked = (
        subprocess.run(["sudo", "-n", "id", "-u"], capture_output=True, check=False) if shutil.which("sudo") else None
    )
    return ["sudo"] if asked is not None and asked.stdout.strip() == b"0" else []


TRIES = {
    "read the environment of its agent, of a shim or of another job": foreign_environments,
    "see which commands others run": foreign_commands,
    "read the platform's files: passwords, keys, what its agent keeps": lambda: readable(TARGETS["platform"]),
    "read the claims, tokens and variables of an attempt, its own included": lambda: readable(TARGETS["state"]),
    "read another job's outputs, checkpoints, code or log while that runs": lambda: readable(TARGETS["running"]),
    "read another job's outputs or checkpoints after its end": lambda: readable(TARGETS["ended"]),
    "read what another job left in `/tmp` or in shared memory": lambda: readable(TARGETS["temporary"]),
    "write into the platform's folders or another job's": lambda: [
        one for one in TARGETS["folders"] if succeeds(touch, one)
    ],
    "report progress in another job's name": lambda: [one for one in TARGETS["reports"] if succeeds(write, one)],
    "signal its agent, a shim or another job": lambda: [pid for pid in TARGETS["pids"] if succeeds(os.kill, pid, 0)],
    "trace another job's process (`ptrace`)": lambda: [pid for pid in TARGETS["traced"] if succeeds(attach, pid)],
    "enter the database with what it can find": databases,
    "open the files of GPUs that it does not hold": lambda: [
        one for one in TARGETS["gpus"] if succeeds(open_file, one)
    ],
    "reach the database's port": lambda: [one for one in TARGETS["addresses"] if succeeds(reach, one)],
    "be root": as_root,
}
"""By the words that SECURITY.md has for them."""

if __name__ == "__main__":
    TARGETS.update(json.loads(sys.argv[1]))
    own = Path(os.environ["TRAINYARD_REPORT"]).parent
    TARGETS["state"] += [str(own / name) for name in ("claim.json", "spec.json", "lease")]
    stay()
    sys.stdout.write(json.dumps({words: attempt() for words, attempt in TRIES.items()}) + "\n")
