"""Callbacks that report for a framework, and stop it with a checkpoint. A framework is imported when its callback is.

from __future__ import annotations

from trainyard.callbacks import HuggingFaceCallback     # or LightningCallback, KerasCallback
"""

import importlib
from typing import Any

PLACES = {"HuggingFaceCallback": "huggingface", "LightningCallback": "lightning", "KerasCallback": "keras"}
__all__ = ["HuggingFaceCallback", "KerasCallback", "LightningCallback"]


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{PLACES[name]}"), name)
