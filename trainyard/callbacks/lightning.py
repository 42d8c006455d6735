"""For the Trainer of Lightning, by either of the names that it is installed under."""

from __future__ import annotations

import math
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainyard.callbacks.pace import Pace
from trainyard.reporting import report
from trainyard.stopping import STOPPED, preempted

if find_spec("lightning"):
    from lightning.pytorch import Callback
else:
    from pytorch_lightning import Callback

STOPPED_FILE = "stopped.ckpt"


class LightningCallback(Callback):
    """Reports what modules log, under the Trainer's global step.

    Told to stop, a Trainer with one process writes `stopped.ckpt` into the folder for checkpoints (`save=False`: it does
    not) and exits; with several processes, which are told at different steps, it exits: then your own ModelCheckpoint counts.
    """

    def __init__(self, *, seconds: float = 10, save: bool = True) -> None:
        """While a batch follows the other, reports at most once in so many `seconds`."""
        self._pace = Pace(seconds)
        self._save = save
        preempted()

    def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        if self._pace.is_due():
            _report(trainer)
        if preempted():
            if self._save and trainer.world_size == 1:
                _write(trainer)
            raise SystemExit(STOPPED)

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        _report(trainer)

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        if not trainer.sanity_checking:
            _report(trainer)


def _report(trainer: Any) -> None:
    values = dict(trainer.callback_metrics)
    steps = trainer.estimated_stepping_batches
    if 0 < steps < math.inf:
        values["progress"] = trainer.global_step / steps
    report({**values, "step": trainer.global_step})


def _write(trainer: Any) -> None:
    """Whole or not at all: under another name first."""
    folder = os.environ.get("TRAINYARD_CHECKPOINT_DIR")
    if folder:
        draft = Path(folder) / f"{STOPPED_FILE}.draft"
        trainer.save_checkpoint(draft)
        draft.replace(Path(folder) / STOPPED_FILE)
        report.checkpoint()
