"""What can be said of GPUs by model in a quota: a name as jobs name models, and how many of it."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from scheduling import gpu_models

MOST, NAMES, LONGEST_NAME = 2**31 - 1, 100, 100


def refuse_faulty(models: Any) -> None:
    """Raise ValidationError with the first thing that is wrong."""
    if fault := fault_of(models):
        raise ValidationError(fault)


def fault_of(models: Any) -> str:
    """What is wrong with it, in words; empty: nothing."""
    if not isinstance(models, Mapping) or len(models) > NAMES:
        return f'Must be at most {NAMES} models with a number of GPUs each, such as {{"h100": 4}}.'
    return next((fault for name, most in models.items() if (fault := _fault_of_one(name, most))), "")


def _fault_of_one(name: Any, most: Any) -> str:
    if not isinstance(name, str) or len(name) > LONGEST_NAME or gpu_models.named(name) != (name,):
        return f"{str(name)[:LONGEST_NAME]!r}: name one model, such as h100 or a100-80gb, without a comma."
    if gpu_models.is_pattern(name):
        return f"{name!r}: name a model whole, without * or ?."
    if type(most) is not int or not 0 <= most <= MOST:
        return f"{name}: must be a whole number from 0 to {MOST}."
    return ""
