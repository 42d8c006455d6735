"""Which GPUs a model's name means: whole names as the field writes them, never a part of one.

A name has a model ("h100"), and may have qualifiers that narrow it: the form ("sxm", "pcie", "nvl"), the size of the
memory ("80gb") and its kind ("hbm3"). What NVML, Kubernetes' labels, Slurm's gres and the clouds call the same card reads alike:
"NVIDIA H100 80GB HBM3", "nvidia-h100-80gb", "H100-SXM". An "A10" is no "A100" and no "A10G", an "L4" no "L40S".
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from scheduling.memory_units import MB_IN_A_GB

MEMORY_TOLERANCE = 0.08
"""A "16 GB" T4 reports 15,360 MB, an "80 GB" H100 81,559: what is sold and what is reported differ by so much."""

MAKERS = frozenset(
    [
        "nvidia",
        "amd",
        "intel",
        "advanced",
        "micro",
        "devices",
        "corporation",
        "tesla",
        "geforce",
        "quadro",
        "instinct",
        "radeon",
        "graphics",
        "device",
        "gpu",
        "gpus",
        "accelerator",
        "generation",
    ]
)
"""Words that say whose card it is, or that it is one."""

FORMS = frozenset({"sxm", "pcie", "nvl", "oam"})
MEMORY_KIND = re.compile(r"hbm\d\w*|gddr\d\w*")
MEMORY_SIZE = re.compile(r"(\d+)gb?")
FORM_WITH_NUMBER = re.compile(r"(sxm)\d")
PLAIN_NUMBER = re.compile(r"[1-9]0[5-9]0(?:ti|super|d|tisuper)?")

ALIASES: Mapping[str, str] = {
    "rtxa2000": "a2000", "rtxa4000": "a4000", "rtxa4500": "a4500", "rtxa5000": "a5000", "rtxa5500": "a5500", "rtxa6000": "a6000",
    "6000ada": "rtx6000ada", "5000ada": "rtx5000ada", "4500ada": "rtx4500ada", "4000ada": "rtx4000ada",
    "a6000ada": "rtx6000ada", "ada6000": "rtx6000ada",
    "h100mega": "h100", "h100megagpu": "h100", "a100mega": "a100", "a100ultra": "a100", "a100highgpu": "a100", "h100high": "h100",
    "hgxh100": "h100", "hgxh200": "h200", "hgxb200": "b200", "hgxa100": "a100", "dgxh100": "h100", "dgxa100": "a100",
    "rtxpro6000blackwell": "rtxpro6000", "rtxpro6000blackwellserveredition": "rtxpro6000", "rtxpro6000blackwellworkstationedition": "rtxpro6000",
    "rtxpro6000blackwellmaxqworkstationedition": "rtxpro6000maxq",
}  # fmt: skip
"""Other names of the same model, both without blanks."""

SOLD_AS_SXM = frozenset({"h100", "h200", "b200", "b300", "h800", "h20"})
"""Their NVML names tell the form only of the others: "NVIDIA H100 80GB HBM3" is the SXM, "NVIDIA H100 PCIe" says so."""


class GpuName(NamedTuple):
    """A name, taken apart."""

    model: str
    forms: frozenset[str]
    memory_kinds: frozenset[str]
    memory_gb: int | None


def named(text: str) -> tuple[str, ...]:
    """The models or patterns that a request names: several are written with commas."""
    return tuple(part for part in (one.strip() for one in text.split(",")) if part)


@lru_cache(maxsize=4096)
def matches(asked: str, model: str, memory_mb: int = 0) -> bool:
    """Whether a GPU that reports this model and memory is one of those asked for. Asking for none asks for any.

    A name with `*` or `?` in it is a pattern for the whole reported name, with or without its maker.
    """
    return not asked or any(_matches_one(name, model, memory_mb) for name in named(asked))


def is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _matches_one(asked: str, model: str, memory_mb: int) -> bool:
    if is_pattern(asked):
        whole = model.casefold()
        bare = " ".join(word for word in whole.split() if word not in MAKERS)
        return any(fnmatchcase(text, asked.casefold()) for text in (whole, bare))
    if asked.casefold() == model.casefold():
        return True
    wanted, has = parsed(asked), parsed(model)
    return (
        wanted.model == has.model
        and wanted.forms <= _forms(has)
        and wanted.memory_kinds <= has.memory_kinds
        and (wanted.memory_gb is None or _is_size(wanted.memory_gb, has, memory_mb))
    )


@lru_cache(maxsize=4096)
def parsed(text: str) -> GpuName:
    """A name as people, drivers and clouds write it, taken apart."""
    words = [word for word in re.split(r"[^a-z0-9.]+", text.casefold().replace(" gb", "gb")) if word]
    rest = [word for word in words if word not in MAKERS and not _is_qualifier(word)]
    forms = {part for word in words for part in _form(word)}
    sizes = [int(found[1]) for word in words if (found := MEMORY_SIZE.fullmatch(word))]
    kinds = frozenset(word for word in words if MEMORY_KIND.fullmatch(word))
    return GpuName(_model("".join(rest or words)), frozenset(forms), kinds, sizes[0] if sizes else None)


def _model(joined: str) -> str:
    name = ALIASES.get(joined, joined)
    return f"rtx{name}" if PLAIN_NUMBER.fullmatch(name) else name


def _is_qualifier(word: str) -> bool:
    return bool(_form(word) or MEMORY_SIZE.fullmatch(word) or MEMORY_KIND.fullmatch(word))


def _form(word: str) -> tuple[str, ...]:
    """The forms that a word names: "sxm4" is an "sxm" as well."""
    numbered = FORM_WITH_NUMBER.fullmatch(word)
    if numbered:
        return word, numbered[1]
    return (word,) if word in FORMS else ()


def _forms(has: GpuName) -> frozenset[str]:
    return has.forms or (frozenset({"sxm"}) if has.model in SOLD_AS_SXM else has.forms)


def _is_size(wanted_gb: int, has: GpuName, memory_mb: int) -> bool:
    if has.memory_gb is not None:
        return has.memory_gb == wanted_gb
    wanted_mb = wanted_gb * MB_IN_A_GB
    return abs(memory_mb - wanted_mb) <= wanted_mb * MEMORY_TOLERANCE
