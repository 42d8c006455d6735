"""A node's disk and the folders on it: full, read-only, and robbed of what belongs to a job that runs."""

import json
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

from chaos import disks
from chaos.fault_plan import Fault
from chaos.injections import undoing
from chaos.injections.undoing import CannotBeDoneError, Undo, machine_of
from chaos.stack import Stack

ITS_ATTEMPT = 0.5
"""So often a job loses what its agent and its shim keep of it; otherwise its own files."""


def fill_disk(stack: Stack, fault: Fault) -> Undo:
    filler = machine_of(stack, fault).home / "filler"
    fill(filler)
    return lambda: filler.unlink(missing_ok=True)


def fill(path: Path) -> None:
    """Write to the file until its disk takes no more byte."""
    block = bytes(1024 * 1024)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while block:
            try:
                os.write(descriptor, block)
            except OSError:
                block = block[: len(block) // 2]
    finally:
        os.close(descriptor)


def make_read_only(stack: Stack, fault: Fault) -> Undo:
    """Nothing can be made, removed or opened for writing any more; what is open already can still be written."""
    home = machine_of(stack, fault).home
    disks.cover_read_only(home)
    return lambda: disks.unmount(home)


def rob(stack: Stack, fault: Fault) -> Undo:
    """Somebody deletes the folder of a job that runs."""
    machine = machine_of(stack, fault)
    attempts = sorted(machine.home.glob("nodes/*/attempts/*/status.json"))
    if not attempts:
        raise CannotBeDoneError
    draw = random.Random(fault.draw)
    attempt = draw.choice(attempts).parent
    shutil.rmtree(attempt if draw.random() < ITS_ATTEMPT else _work_of(attempt, stack), ignore_errors=True)
    return undoing.no_op


def _work_of(attempt: Path, stack: Stack) -> Path:
    with suppress(OSError, ValueError, KeyError):
        claim = json.loads((attempt / "claim.json").read_text(encoding="utf-8"))
        return stack.home / "jobs" / str(claim["claimed"]["job_id"])
    raise CannotBeDoneError
