"""A node's disk and the folders on it: full, read-only, and robbed of what belongs to a job that runs."""

import json
import os
import random
import shutil
import time
from contextlib import suppress
from pathlib import Path

from chaos import disks
from chaos.fault_plan import Fault
from chaos.history import Robbed
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
    """Somebody deletes the folder of a job that runs. Whose it was, and when, is noted: its command may fail over that."""
    machine = machine_of(stack, fault)
    attempts = sorted(machine.home.glob("nodes/*/attempts/*/status.json"))
    if not attempts:
        raise CannotBeDoneError
    draw = random.Random(fault.draw)
    attempt = draw.choice(attempts).parent
    own_files = draw.random() >= ITS_ATTEMPT
    job_id, number = _owner(attempt)
    stack.robbed.append(Robbed(job_id, number, str(machine.home), own_files, time.monotonic()))
    shutil.rmtree(stack.home / "jobs" / str(job_id) if own_files else attempt, ignore_errors=True)
    lost = "its own files" if own_files else "what is kept of it on its node"
    print(f"{'':7}    attempt {number} of job {job_id} has lost {lost}", flush=True)
    return undoing.no_op


def _owner(attempt: Path) -> tuple[int, int]:
    with suppress(OSError, ValueError, KeyError):
        claimed = json.loads((attempt / "claim.json").read_text(encoding="utf-8"))["claimed"]
        return int(claimed["job_id"]), int(claimed["attempt"])
    raise CannotBeDoneError
