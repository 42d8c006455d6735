"""A command that tries what no job may do: it prints a line of each try, and what came of it."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

TRY = """
import ctypes, glob, json, os, sys
paths, pids = json.loads(sys.argv[1])
def read(path):
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path, "rb") as file:
        return file.read(1)
def attach(pid):
    if ctypes.CDLL(None, use_errno=True).ptrace(16, pid, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
tries = [(read, path) for path in paths] + [(attach, pid) for pid in pids]
tries += [(lambda pid: os.kill(pid, 0), pid) for pid in pids]
tries += [(read, f"/proc/{pid}/{name}") for pid in pids for name in ("environ", "fd", "root", "mem")]
for attempt, what in tries:
    try:
        attempt(what)
    except OSError as error:
        print("refused", what, error.strerror)
    else:
        print("DONE", what)
print("tried", len(tries))
"""


def command(paths: Iterable[Path], pids: Iterable[int]) -> list[str]:
    return [sys.executable, "-c", TRY, json.dumps([[str(path) for path in paths], list(pids)])]
