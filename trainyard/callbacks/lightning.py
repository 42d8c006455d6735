"""For the Trainer of Lightning, by either of the names that it is installed under."""

from __future__ import annotations

import math
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainyard.agreement import Agreement
from trainyard.callbacks.interval import Interval
from trainyard.reporting import report
from trainyard.stopping import listen_alone, preempted, stop

if find_spec("lightning"):
    from lightning.pytorch import Callback
else:
    from pytorch_lightning import Callback

STOPPED_FILE = "stopped.ckpt"


class LightningCallback(Callback):
    """Reports what modules log, under the Trainer's global step.

    Told to stop, the Trainer writes `stopped.ckpt` into the folder for checkpoints (`save=False`: it does not), and the
    script exits: after a batch of training or of validation, and of several processes after the same one.
    """

    def __init__(self, *, seconds: float = 10, save: bool = True) -> None:
        """While a batch follows the other, reports at most once in so many `seconds`."""
        self._interval = Interval(seconds)
        self._save = save
        self._agreement = Agreement()
        preempted()

    # Lightning's own handler of SIGTERM ends the script in the middle of a validation, and several processes wait in it
    # for each other, each in another step.
    def on_sanity_check_start(self, trainer: Any, *_: Any) -> None:
        listen_alone()

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        listen_alone()
        self._agreement = Agreement()

    def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        if self._interval.is_due():
            _report(trainer)
        self._stop_if_requested(trainer)

    def on_validation_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        if not trainer.sanity_checking:
            self._stop_if_requested(trainer)

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        _report(trainer)

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        if not trainer.sanity_checking:
            _report(trainer)

    def _stop_if_requested(self, trainer: Any) -> None:
        if self._agreement.stops(preempted()):
            stop((lambda: _write(trainer)) if self._save else None)


def _report(trainer: Any) -> None:
    values = dict(trainer.callback_metrics)
    steps = trainer.estimated_stepping_batches
    if 0 < steps < math.inf:
        values["progress"] = trainer.global_step / steps
    report({**values, "step": trainer.global_step})


def _write(trainer: Any) -> None:
    """Whole or not at all: under another name first. All processes take part; what they write may be a folder."""
    folder = os.environ.get("TRAINYARD_CHECKPOINT_DIR")
    if not folder:
        return
    draft, stopped = Path(folder) / f"{STOPPED_FILE}.draft", Path(folder) / STOPPED_FILE
    trainer.save_checkpoint(draft)
    if getattr(trainer, "is_global_zero", True):
        if stopped.is_dir():
            shutil.rmtree(stopped)
        draft.replace(stopped)
        report.checkpoint(stopped)
