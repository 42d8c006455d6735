"""The environment that a job names: whether it can be meant, and whether who runs the job has such ones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from jobs.code import snapshots
from jobs.code.manifest import path_fault
from jobs.models import CodeSnapshot
from jobs.submission.executors import with_executor
from jobs.submission.job_spec import JobSpec
from scheduling.environments import BUILT, IMAGE, KINDS, LOCK, PREFIXES, PROJECT, PYTHON, kind_of
from scheduling.errors import FieldError
from scheduling.executors import AGENT, ANY

VERSION = re.compile(r"3\.[1-9]?[0-9]")
IMAGE_NAME = re.compile(r"[A-Za-z0-9/][^\s\x00]*")
NAMED_SO = {LOCK: "uv.lock", PROJECT: "pyproject.toml"}
"""How uv wants these to be called, wherever they lie."""


def completed(spec: JobSpec, executor_of_queue: str) -> JobSpec:
    """The spec with who runs it, and with its image where they look for that: agents in its environment, clusters in its image."""
    spec = with_executor(spec, executor_of_queue)
    if spec.executor == AGENT and spec.image and not kind_of(spec.environment):
        return replace(spec, environment={IMAGE: spec.image}, image="")
    if spec.executor not in (AGENT, ANY) and set(spec.environment) == {IMAGE} and not spec.image:
        return replace(spec, environment={}, image=spec.environment[IMAGE])
    return spec


def faults(spec: JobSpec, known: Mapping[int, CodeSnapshot]) -> list[FieldError]:
    """What is wrong with it, by field. `known`: the snapshots of the call, as far as they exist."""
    named = [kind for kind in KINDS if spec.environment.get(kind)]
    if not spec.environment:
        return []
    if len(named) != 1:
        there = f"not {' and '.join(named)}" if named else f"there is only {PYTHON}"
        return [FieldError("environment", f"Name exactly one of {', '.join(KINDS)}: {there}.", "one_of")]
    if spec.image:
        words = "Name the container image once, or leave it out: the job has an environment."
        return [FieldError("image", words, "one_of")]
    if spec.executor != AGENT:
        words = _elsewhere(spec.executor, named[0])
        return [FieldError(f"environment.{named[0]}", words, "unsupported")]
    return [*_python_faults(spec, named[0]), *_value_faults(spec, named[0], known)]


def _elsewhere(executor: str, kind: str) -> str:
    if executor == ANY:
        return "Executor any may be an agent or a cluster, which have environments in different ways: name one of them."
    alone = "clusters have container images alone"
    return (
        f"Only agents have a {kind} for their jobs, {alone}: name an image, or let agents run the job (executor agent)."
    )


def _python_faults(spec: JobSpec, kind: str) -> Iterator[FieldError]:
    version = spec.environment.get(PYTHON)
    if version is None:
        return
    if kind not in BUILT:
        words = f"Goes with {', '.join(BUILT)}: a {kind} has its own Python."
        yield FieldError(f"environment.{PYTHON}", words, "unsupported")
    elif not VERSION.fullmatch(version):
        yield FieldError(f"environment.{PYTHON}", 'Must be a version such as "3.12".', "version")


def _value_faults(spec: JobSpec, kind: str, known: Mapping[int, CodeSnapshot]) -> Iterator[FieldError]:
    value, field = spec.environment[kind], f"environment.{kind}"
    if kind in BUILT:
        yield from _file_faults(spec, kind, known)
    elif kind in PREFIXES and (not value.startswith("/") or "\0" in value):
        yield FieldError(field, "Must be a folder of the node, from the root, such as /opt/torch.", "relative")
    elif kind == IMAGE and not IMAGE_NAME.fullmatch(value):
        words = "Must be the name of an image, such as python:3.12-slim: no spaces, no dash in front."
        yield FieldError(field, words, "name")


def _file_faults(spec: JobSpec, kind: str, known: Mapping[int, CodeSnapshot]) -> Iterator[FieldError]:
    value, field = spec.environment[kind], f"environment.{kind}"
    if spec.snapshot is None:
        words = f"Is a file in the code that the job brings along, and it brings none: name a snapshot (CLI: --sync), or a {PREFIXES[0]} on the node."
        yield FieldError(field, words, "no_code")
    elif path_fault(value):
        words = f"Must be a file inside the job's code, such as {NAMED_SO.get(kind, 'requirements.txt')}: not from the root, no . or .. in it."
        yield FieldError(field, words, "outside")
    elif kind in NAMED_SO and PurePosixPath(value).name != NAMED_SO[kind]:
        yield FieldError(field, f"Must be called {NAMED_SO[kind]}, in whichever folder.", "name")
    elif spec.snapshot in known and value not in _paths(known[spec.snapshot]):
        yield FieldError(field, f"There is no file {value} in snapshot {spec.snapshot}.", "unknown")


def _paths(snapshot: CodeSnapshot) -> frozenset[str]:
    """Read once for all jobs of a call that name it."""
    if not hasattr(snapshot, "paths"):
        snapshot.paths = frozenset(file.path for file in snapshots.files_of(snapshot))  # type: ignore[attr-defined]
    paths: frozenset[str] = snapshot.paths  # type: ignore[attr-defined]
    return paths
