"""The callbacks, called as their frameworks call them. The frameworks themselves are too big to install for this."""

import importlib
import json
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from trainyard import latest_checkpoint, stopping
from trainyard.ranks import RANKS


class Base:
    params = None  # Keras fills it in


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Reports go to a file; `told.came` says whether the process has been told to stop."""
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAINYARD_REPORT", str(tmp_path / "report.jsonl"))
    monkeypatch.setenv("TRAINYARD_CHECKPOINT_DIR", str(tmp_path))
    request = SimpleNamespace(came=False, listen=lambda: None)
    monkeypatch.setattr(stopping, "request", request)
    return request


@pytest.fixture
def said(tmp_path):
    return lambda: [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]


@pytest.fixture
def callback(monkeypatch, told):
    """The callback of that name, on a framework that has only the class which it derives from."""

    def callback(name, framework, base):
        for module in (framework, framework.partition(".")[0]):
            stand_in = ModuleType(module)
            stand_in.__spec__ = ModuleSpec(module, None)
            setattr(stand_in, base, Base)
            monkeypatch.setitem(sys.modules, module, stand_in)
        callbacks = importlib.import_module("trainyard.callbacks")
        place = f"trainyard.callbacks.{callbacks.PLACES[name]}"
        monkeypatch.delitem(sys.modules, place, raising=False)
        made = getattr(callbacks, name)
        monkeypatch.delitem(sys.modules, place)
        return made

    return callback


@pytest.fixture
def hugging_face(callback):
    return callback("HuggingFaceCallback", "transformers", "TrainerCallback")


@pytest.fixture
def lightning(callback):
    return callback("LightningCallback", "lightning.pytorch", "Callback")


@pytest.fixture
def keras(callback):
    return callback("KerasCallback", "keras.callbacks", "Callback")


class Trainer(SimpleNamespace):
    """Lightning's, as far as the callback looks at it."""

    def save_checkpoint(self, path):
        path.write_text("weights")


def state(step):
    return SimpleNamespace(global_step=step, max_steps=40)


def test_hugging_face_reports_what_is_logged_and_that_a_checkpoint_was_written(hugging_face, said):
    each = hugging_face()
    each.on_log(None, state(10), None, logs={"loss": 2.5, "epoch": 0.5, "step": "odd"})
    each.on_save(None, state(10), None)
    each.on_train_end(None, state(40), None)
    assert said() == [{"loss": 2.5, "epoch": 0.5, "step": 10, "progress": 0.25}, {"checkpoint": True}]


def test_hugging_face_marks_the_folder_that_was_written_to_the_end(hugging_face, tmp_path):
    (tmp_path / "checkpoint-20").mkdir()
    (tmp_path / "checkpoint-40").mkdir()
    hugging_face().on_save(SimpleNamespace(output_dir=str(tmp_path)), state(20), None)
    assert latest_checkpoint("checkpoint-*") == str(tmp_path / "checkpoint-20")


def test_hugging_face_says_between_logs_how_far_it_is_but_not_at_each_step(hugging_face, said):
    each = hugging_face(seconds=1000)
    for step in (1, 2, 3):
        each.on_step_end(None, state(step), SimpleNamespace())
    assert said() == [{"step": 1, "progress": 0.025}]


def test_hugging_face_that_is_told_to_stop_saves_stops_and_leaves(hugging_face, told):
    each, control = hugging_face(), SimpleNamespace()
    told.came = True
    each.on_step_end(None, state(17), control)
    assert (control.should_save, control.should_training_stop) == (True, True)
    with pytest.raises(SystemExit, match="143"):
        each.on_train_end(None, state(17), control)


def test_hugging_face_that_is_told_at_its_last_step_just_ends(hugging_face, told):
    each, control = hugging_face(), SimpleNamespace()
    told.came = True
    each.on_step_end(None, state(40), control)
    each.on_train_end(None, state(40), control)
    assert vars(control) == {}


def trainer(**fields):
    usual = {"world_size": 1, "sanity_checking": False, "global_step": 10, "estimated_stepping_batches": 40}
    return Trainer(**usual | {"callback_metrics": {"train_loss": 0.5}} | fields)


def test_lightning_reports_what_modules_log_now_and_then_and_after_each_epoch(lightning, said):
    each = lightning(seconds=1000)
    for step in (1, 2, 3):
        each.on_train_batch_end(trainer(global_step=step), None, None, None, 0)
    each.on_validation_end(trainer(sanity_checking=True), None)
    each.on_validation_end(trainer(callback_metrics={"val_loss": 0.25}), None)
    each.on_train_epoch_end(trainer(estimated_stepping_batches=float("inf")), None)
    assert said() == [
        {"train_loss": 0.5, "step": 1, "progress": 0.025},
        {"val_loss": 0.25, "step": 10, "progress": 0.25},
        {"train_loss": 0.5, "step": 10},
    ]


def test_lightning_that_is_told_to_stop_writes_a_whole_checkpoint_and_leaves(lightning, told, said, tmp_path):
    each = lightning()
    told.came = True
    with pytest.raises(SystemExit, match="143"):
        each.on_train_batch_end(trainer(), None, None, None, 0)
    assert (tmp_path / "stopped.ckpt").read_text() == "weights"
    assert not (tmp_path / "stopped.ckpt.draft").exists()
    assert said()[-1] == {"checkpoint": True}


def test_lightning_leaves_without_a_checkpoint_where_none_is_wanted(lightning, told, tmp_path):
    each = lightning(save=False)
    told.came = True
    with pytest.raises(SystemExit, match="143"):
        each.on_train_batch_end(trainer(), None, None, None, 0)
    assert not (tmp_path / "stopped.ckpt").exists()


def test_lightning_stops_in_a_validation_too_but_not_in_its_sanity_check(lightning, told, tmp_path):
    each = lightning()
    told.came = True
    each.on_validation_batch_end(trainer(sanity_checking=True), None, None, None, 0)
    with pytest.raises(SystemExit, match="143"):
        each.on_validation_batch_end(trainer(), None, None, None, 0)
    assert (tmp_path / "stopped.ckpt").exists()


@pytest.mark.parametrize("first", [True, False])
def test_of_lightnings_processes_all_save_and_the_first_gives_the_name(lightning, told, tmp_path, first):
    each = lightning()
    told.came = True
    with pytest.raises(SystemExit, match="143"):
        each.on_train_batch_end(trainer(is_global_zero=first), None, None, None, 0)
    assert [path.name for path in tmp_path.glob("stopped*")] == ["stopped.ckpt" if first else "stopped.ckpt.draft"]


def test_lightnings_own_handler_of_the_signal_gives_way_to_ours(lightning, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    request = stopping.StopRequest()
    monkeypatch.setattr(stopping, "request", request)
    try:
        each = lightning()
        signal.signal(signal.SIGTERM, lambda *_: pytest.fail("Lightning's"))
        each.on_train_start(trainer(), None)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.preempted()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_keras_reports_batches_now_and_then_and_each_epoch(keras, said):
    each = keras(seconds=1000)
    each.params = {"epochs": 5, "steps": 8}
    each.on_epoch_begin(1)
    for batch in range(8):
        each.on_train_batch_end(batch, {"loss": 2.0})
    each.on_epoch_end(1, {"loss": 1.5, "val_loss": 1.75})
    assert said() == [
        {"loss": 2.0, "epoch": 2, "step": 9, "progress": 9 / 40},
        {"loss": 1.5, "val_loss": 1.75, "epoch": 2, "step": 16, "progress": 0.4},
    ]


def test_keras_without_a_known_number_of_batches_says_the_epoch(keras, said):
    each = keras()
    each.params = {"epochs": 5, "steps": None}
    each.on_epoch_end(0, {"loss": 1.5})
    assert said() == [{"loss": 1.5, "epoch": 1}]


def test_keras_that_is_told_to_stop_saves_after_the_batch_and_leaves(keras, told, said):
    saved = []
    each = keras(lambda: saved.append(True))
    told.came = True
    with pytest.raises(SystemExit, match="143"):
        each.on_train_batch_end(3, {"loss": 2.0})
    assert saved == [True]
    assert said()[-1] == {"checkpoint": True}


def test_a_name_that_is_no_callback_is_an_ordinary_error():
    with pytest.raises(ImportError, match="JaxCallback"):
        exec("from trainyard.callbacks import JaxCallback")  # noqa: S102
