"""Files of jobs: JSON, JSON lines or TOML."""

import json
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import UsageError

STDIN = Path("-")
OF_JOB = re.compile(r"jobs\[(\d+)\]\.?(.*)")


@dataclass(frozen=True, slots=True)
class BatchFile:
    """The jobs of a file and their defaults, and the workload of all of them, if they have one."""

    defaults: dict[str, Any]
    jobs: list[Any]
    workload: Any = None

    @property
    def body(self) -> dict[str, Any]:
        """The body of POST /jobs/batch."""
        body = {"defaults": self.defaults, "jobs": self.jobs}
        return body if self.workload is None else body | {"workload": self.workload}

    @property
    def workload_name(self) -> str:
        """Empty: they have none, or one that the server will refuse."""
        name = self.workload.get("name") if isinstance(self.workload, dict) else self.workload
        return name if isinstance(name, str) else ""

    def name_field(self, field: str) -> str:
        """`jobs[3].resources.gpus` as `job 4 "lr-0.1": resources.gpus`, for the author counts from 1."""
        found = OF_JOB.fullmatch(field)
        if not found:
            return field
        index, inner = int(found[1]), found[2]
        job = self.jobs[index] if index < len(self.jobs) else None
        name = f' "{job["name"]}"' if isinstance(job, dict) and job.get("name") else ""
        return f"job {index + 1}{name}" + (f": {inner}" if inner else "")


def read_batch(file: Path, *, project: str, folder: str) -> BatchFile:
    """The jobs of a file, with `project` and `folder` as defaults of the defaults; raises `UsageError`."""
    defaults, jobs, workload = _split(read_content(file), _name(file))
    return BatchFile({"project": project, "working_dir": folder, **defaults}, jobs, workload)


def read_content(file: Path) -> Any:
    """What is in a file of JSON, JSON lines or TOML; raises `UsageError`."""
    text = _read(file)
    try:
        return _parse_toml(text) if file.suffix == ".toml" else _parse_json(text)
    except ValueError as error:
        raise UsageError(f"{_name(file)} is neither JSON, JSON lines nor TOML: {error}.") from error


def _split(content: Any, name: str) -> tuple[dict[str, Any], list[Any], Any]:
    """The defaults, the jobs and the workload of a file's content."""
    content = {"jobs": content} if isinstance(content, list) else content
    if not isinstance(content, dict) or not isinstance(content.get("jobs"), list):
        raise UsageError(f'{name} holds no jobs: write a list of jobs, or {{"defaults": {{...}}, "jobs": [...]}}.')
    unknown = sorted(content.keys() - {"defaults", "jobs", "workload"})
    if unknown:
        raise UsageError(f"{name}: there is no {unknown[0]} here; what holds for all jobs belongs into defaults.")
    defaults = content.get("defaults", {})
    if not isinstance(defaults, dict):
        raise UsageError(f"{name}: defaults must be an object of job fields.")
    return defaults, content["jobs"], content.get("workload")


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {_name(file)}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{_name(file)} is not UTF-8 text: {error}.") from error


def _parse_toml(text: str) -> Any:
    """TOML as JSON would say it: a moment is a string."""
    return json.loads(json.dumps(tomllib.loads(text), default=lambda moment: moment.isoformat()))


def _parse_json(text: str) -> Any:
    """One JSON document, or one job a line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or error.msg != "Extra data":  # noqa: PLR2004  one line is one document
            raise
        return [_parse_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _parse_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}: {error}") from error


def _name(file: Path) -> str:
    return "standard input" if file == STDIN else str(file)
