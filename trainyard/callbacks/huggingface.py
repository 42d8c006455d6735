"""For the Trainer of Hugging Face's transformers, and for what is built on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from trainyard.agreement import Agreement
from trainyard.callbacks.interval import Interval
from trainyard.reporting import report
from trainyard.stopping import exit_stopped, preempted


class HuggingFaceCallback(TrainerCallback):
    """Reports what the Trainer logs, under its steps. Told to stop, the Trainer saves a checkpoint, and the script exits."""

    def __init__(self, *, seconds: float = 10) -> None:
        """Progress is reported at most once in so many `seconds`."""
        self._interval = Interval(seconds)
        self._stops = False
        self._agreement = Agreement()
        preempted()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._agreement = Agreement()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        report({**(logs or {}), **_at(state)})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._interval.is_due():
            report(_at(state))
        if self._agreement.stops(preempted()) and state.global_step < state.max_steps:
            self._stops = control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = getattr(args, "output_dir", None)
        report.checkpoint(Path(folder) / f"checkpoint-{state.global_step}" if folder else None)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._stops:
            exit_stopped()


def _at(state: Any) -> dict[str, float]:
    return {"step": state.global_step, **({"progress": state.global_step / state.max_steps} if state.max_steps else {})}
