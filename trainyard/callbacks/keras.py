"""For Keras 3, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras.callbacks import Callback

from trainyard.agreement import Agreement
from trainyard.callbacks.interval import Interval
from trainyard.reporting import report
from trainyard.stopping import preempted, stop


class KerasCallback(Callback):
    """Reports the logs of batches now and then, and of each epoch. Told to stop, it calls `save` after a batch, and exits."""

    def __init__(self, save: Callable[[], object] | None = None, *, seconds: float = 10, first_epoch: int = 0) -> None:
        """`first_epoch` is the `initial_epoch` of `fit`; batches are reported at most once in so many `seconds`."""
        super().__init__()
        self._interval = Interval(seconds)
        self._save = save
        self._epoch = first_epoch
        self._batch = 0
        self._agreement = Agreement()
        preempted()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._batch = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batch = batch + 1
        if self._interval.is_due():
            self._report(logs)
        if self._agreement.stops(preempted()):
            stop(self._save_and_report if self._save is not None else None)

    def on_train_begin(self, logs: Any = None) -> None:
        self._agreement = Agreement()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._report(logs)

    def _save_and_report(self) -> None:
        if self._save is not None:
            self._save()
            report.checkpoint()

    def _report(self, logs: Any) -> None:
        params = self.params or {}
        batches, epochs = params.get("steps"), params.get("epochs")
        where: dict[str, float] = {"epoch": self._epoch + 1}
        if batches:
            where["step"] = self._epoch * batches + self._batch
        if batches and epochs:
            where["progress"] = where["step"] / (batches * epochs)
        report({**(logs or {}), **where})
