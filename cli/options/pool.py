"""The options that say what a pool is like."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.durations import parse_duration
from cli.errors import UsageError
from cli.options import completing
from cli.options.values import parse_labels, understand

ACTUATORS = completing.words("none", "local", "command", "kubernetes", "slurm")


def _option(metavar: str, words: str, **more: Any) -> Any:
    return typer.Option(metavar=metavar, help=words, **more)


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """What is said of a pool; what is not said stays as it is."""

    cpus: Annotated[int | None, _option("N", "CPUs of each node.")] = None
    memory_gb: Annotated[float | None, _option("GB", "Memory of each node.")] = None
    gpus: Annotated[int | None, _option("N", "GPUs of each node.")] = None
    gpu_model: Annotated[str | None, _option("NAME", "Their model.")] = None
    gpu_memory_gb: Annotated[float | None, _option("GB", "Memory of each GPU.")] = None
    label: Annotated[
        list[str] | None, _option("NAME=VALUE", "A label of each node, beside pool=NAME; may be repeated.")
    ] = None
    min_nodes: Annotated[int | None, typer.Option("--min", metavar="N", help="The fewest nodes.")] = None
    max_nodes: Annotated[int | None, typer.Option("--max", metavar="N", help="The most nodes.")] = None
    spare: Annotated[int | None, _option("N", "Nodes that are kept free for who comes next.")] = None
    consolidate: Annotated[
        bool | None,
        typer.Option(
            "--consolidate/--no-consolidate",
            help="Whether jobs are moved together where that pays, so that a node goes.",
        ),
    ] = None
    lifetime: Annotated[str | None, _option("TIME", "After so long each node goes by itself; 0: it stays.")] = None
    startup: Annotated[str | None, _option("TIME", "From the demand for a node to its first job.")] = None
    scale_up: Annotated[str | None, _option("TIME", "How long more must be wanted before it grows; 0: at once.")] = None
    scale_down: Annotated[str | None, _option("TIME", "How long less must suffice before it shrinks.")] = None
    actuator: Annotated[
        str | None, _option("WORD", "Who acts: none, local, command, kubernetes or slurm.", autocompletion=ACTUATORS)
    ] = None
    settings: Annotated[
        Path | None,
        _option(
            "FILE",
            "JSON: up, down and list of actuator command, template of kubernetes, script and partition of slurm.",
        ),
    ] = None

    def body(self) -> dict[str, Any]:
        said: dict[str, Any] = {field: getattr(self, name) for name, field in AS_THEY_ARE.items()}
        said |= {field: _seconds(name, getattr(self, name)) for name, field in TIMES.items()}
        lifetime = _seconds("lifetime", self.lifetime)
        if self.label:
            said["labels"] = parse_labels("--label", self.label)
        if self.settings is not None:
            said["actuator_settings"] = read_settings(self.settings)
        told = {field: value for field, value in said.items() if value is not None}
        return told if lifetime is None else {**told, "lifetime_seconds": lifetime or None}


AS_THEY_ARE = {
    **{name: name for name in ("cpus", "memory_gb", "gpus", "gpu_model", "gpu_memory_gb", "consolidate", "actuator")},
    "min_nodes": "min_nodes",
    "max_nodes": "max_nodes",
    "spare": "spare_nodes",
}
TIMES = {"startup": "startup_seconds", "scale_up": "scale_up_seconds", "scale_down": "scale_down_seconds"}


def _seconds(name: str, text: str | None) -> int | None:
    if text is None or text.strip() == "0":
        return None if text is None else 0
    return understand(parse_duration, f"--{name.replace('_', '-')}", text)


def read_settings(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--settings: {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"--settings: {file} is no JSON: {error}.") from None
