"""Files of jobs: each written out, or one with the parameters of a sweep."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import UsageError
from cli.options.sweep import SweepOptions
from cli.options.values import begin_moment
from cli.submission.file_content import name_of_file, read_content
from cli.submission.job_names import name_of
from cli.submission.sweeps import Many, jobs_of, many, points

OF_SWEEP = ("sweep", "samples", "seed", "array")
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
    defaults, jobs, workload = _split(read_content(file), name_of_file(file))
    defaults, *jobs = [_with_begin(one, name_of_file(file)) for one in (defaults, *jobs)]
    return BatchFile({"project": project, "working_dir": folder, **defaults}, jobs, workload)


def _with_begin(job: Any, name: str) -> Any:
    """With the moment that `begin_at: tomorrow 8:00` means here; what is no text is the server's to refuse."""
    begin = job.get("begin_at") if isinstance(job, dict) else None
    if not isinstance(begin, str):
        return job
    return {**job, "begin_at": begin_moment(f"{name}: begin_at", begin)}


def _split(content: Any, name: str) -> tuple[dict[str, Any], list[Any], Any]:
    """The defaults, the jobs and the workload of a file's content."""
    content = {"jobs": content} if isinstance(content, list) else content
    swept = isinstance(content, dict) and any(key in content for key in OF_SWEEP)
    if not isinstance(content, dict) or not (swept or isinstance(content.get("jobs"), list)):
        raise UsageError(f'{name} holds no jobs: write a list of jobs, or {{"defaults": {{...}}, "jobs": [...]}}.')
    unknown = sorted(content.keys() - {"defaults", "jobs", "workload", *OF_SWEEP})
    if unknown:
        raise UsageError(f"{name}: there is no {unknown[0]} here; what holds for all jobs belongs into defaults.")
    defaults = content.get("defaults", {})
    if not isinstance(defaults, dict):
        raise UsageError(f"{name}: defaults must be an object of job fields.")
    if not swept:
        return defaults, content["jobs"], content.get("workload")
    return _swept(defaults, content, name)


def _swept(defaults: dict[str, Any], content: dict[str, Any], name: str) -> tuple[dict[str, Any], list[Any], Any]:
    """The jobs of a sweep or an array: its command and name are in the defaults."""
    if "jobs" in content:
        raise UsageError(f"{name}: jobs and a sweep: write one of them.")
    command = defaults.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise UsageError(f"{name}: a sweep needs the command in its defaults, a list of words.")
    wanted = _wanted(content, name)
    request = {"name": name_of(command), **defaults}
    common = {field: value for field, value in defaults.items() if field not in ("name", "command", "submission_key")}
    workload = content.get("workload")
    if isinstance(workload, str) and wanted.at_once:
        workload = {"name": workload}
    if isinstance(workload, dict) and wanted.at_once:
        workload = {"max_running": wanted.at_once, **workload}
    return common, list(jobs_of(request, wanted)), workload


def _wanted(content: dict[str, Any], name: str) -> Many:
    sweep, samples, seed = content.get("sweep"), content.get("samples"), content.get("seed", 0)
    if "array" in content:
        wanted = many(SweepOptions(array=str(content["array"])))
        if sweep is None and wanted is not None:
            return wanted
        raise UsageError(f"{name}: array and sweep: write one of them.")
    if not isinstance(sweep, dict) or not sweep:
        raise UsageError(f"{name}: sweep holds the values of each parameter: lr: [0.1, 0.01].")
    if type(seed) is not int or (samples is not None and type(samples) is not int):
        raise UsageError(f"{name}: samples and seed are whole numbers.")
    said = {
        key: [_word(one) for one in values] if isinstance(values, list) else _word(values)
        for key, values in sweep.items()
    }
    found = points(said, samples=samples, seed=seed)
    return Many(found, range(len(found)), None)


def _word(value: Any) -> str:
    """As it would be typed: `true`, not Python's `True`."""
    return value if isinstance(value, str) else json.dumps(value)
