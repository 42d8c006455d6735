"""What a training script says about itself: one JSON line a call, appended to the file that Trainyard named."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from trainyard import checkpoints, resumes
from trainyard.ranks import RANKS, is_first  # noqa: F401  where others look for the first

MEANS_WORK = ("step", "progress", "checkpoint")
"""Who reports one of these has got further than the checkpoint that it began from."""


class Reporter:
    """Call it with what there is to say; it never raises, and from any thread or process it writes whole lines.

    `progress` goes from 0 to 1, `step` counts, every other name is a metric: a number, or a short text. A number may
    also be a scalar of NumPy, PyTorch or the like. Only rank 0 speaks, outside of Trainyard nobody does.
    """

    def __call__(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Say all of it at once. Names that are no Python names come as a mapping: `report({"val/loss": 0.3})`."""
        if is_first():
            self.from_any_rank(values, **named)

    def from_any_rank(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """The same from whichever process calls. Of a job over several nodes those on the first node are heard."""
        with suppress(Exception):  # whatever is wrong with a report, training goes on
            said = {**(values or {}), **named}
            if any(name in said for name in MEANS_WORK):
                resumes.went_on()
            _append(said)

    def checkpoint(self, path: str | os.PathLike[str] | None = None) -> None:
        """A checkpoint has been written: up to here nothing is lost if the job is stopped.

        One that is named, a folder above all, is known to be whole: `latest_checkpoint` then takes no other folders.
        """
        if path is not None and is_first():
            with suppress(Exception):
                checkpoints.mark(path)
        self({"checkpoint": True})


def _append(values: Mapping[str, Any]) -> None:
    path = os.environ.get("TRAINYARD_REPORT")
    said = {str(name): plain(value) for name, value in values.items()}
    known = {name: value for name, value in said.items() if value is not None}
    if not path or not known:
        return
    line = json.dumps(known).encode() + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, line) < len(line):  # a full disk: let at least the next line begin anew
            os.write(fd, b"\n")
    finally:
        os.close(fd)


def plain(value: Any) -> float | str | None:
    """The value as JSON can hold it, NaN and infinity as texts; None if there is no way."""
    if value is None or isinstance(value, (str, bool)):
        return value
    with suppress(Exception):
        single = value.item() if hasattr(value, "item") else value  # what arrays and tensors with one element have
        if isinstance(single, int):
            return single
        number = float(single)
        return number if math.isfinite(number) else json.dumps(number)
    return None


report = Reporter()
