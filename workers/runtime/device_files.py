"""Which device files a command finds where it has a /dev of its own: those that every program expects, and its GPUs'."""

import re
from collections.abc import Iterable
from pathlib import Path

DEVICES = "/dev"
EVERYBODYS = ("null", "zero", "full", "random", "urandom", "tty", "log", "hugepages", "infiniband")
"""The last one for jobs over several nodes: rights in it are the operator's affair."""
WITH_GPUS = ("gdrdrv",)
ONE_GPU = re.compile(r"nvidia([0-9]+)")


def shown(minors: Iterable[int], opened: Iterable[str] = ()) -> list[Path]:
    """Those that exist of what everybody has, what was `opened` by the operator, and, with GPUs, theirs and their driver's."""
    root, held = Path(DEVICES), set(minors)
    names = [*EVERYBODYS, *(WITH_GPUS if held else ())]
    gpus = [file for file in sorted(root.glob("nvidia*")) if held and is_held(file.name, held)]
    named = [Path(each) for each in opened if each.startswith(f"{DEVICES}/")]
    return [path for path in (*(root / name for name in names), *gpus, *named) if path.exists()]


def is_held(name: str, minors: set[int]) -> bool:
    """Whether it is the file of one of these GPUs, or one that all who compute on a GPU need (`nvidiactl`, `nvidia-uvm`)."""
    numbered = ONE_GPU.fullmatch(name)
    return numbered is None or int(numbered[1]) in minors
