"""What is to be different in a job that is edited or cloned."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cli.durations import parse_duration
from cli.errors import UsageError
from cli.options import completing
from cli.options.job import LENGTH, option
from cli.options.values import begin_moment, parse_labels, understand
from cli.submission.job_request import parse_priority, without_gaps

NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The options as they were typed; None stays as it is."""

    name: Annotated[str | None, option("--name", metavar="NAME", text="Its name.")] = None
    command: Annotated[
        str | None, option("--command", metavar="TEXT", text="What to run, as one text; or write it behind --.")
    ] = None
    queue: Annotated[
        str | None, option("--queue", "-q", metavar="NAME", text="The line to wait in.", offer=completing.queues)
    ] = None
    priority: Annotated[
        str | None,
        option(
            "--priority", metavar="WORD", text="urgent, normal, background or a number.", offer=completing.priorities
        ),
    ] = None
    gpus: Annotated[int | None, option("--gpus", "-g", metavar="N", text="GPUs on each node.")] = None
    gpu_model: Annotated[str | None, option("--gpu-model", metavar="MODEL", text="Only these GPUs.")] = None
    gpu_memory_gb: Annotated[
        float | None, option("--gpu-memory-gb", metavar="GB", text="Least memory of each GPU.")
    ] = None
    cpus: Annotated[int | None, option("--cpus", "-c", metavar="N", text="CPU cores on each node.")] = None
    memory_gb: Annotated[float | None, option("--memory-gb", "-m", metavar="GB", text="Memory on each node.")] = None
    nodes: Annotated[int | None, option("--nodes", metavar="N", text="Nodes that start together.")] = None
    time_limit: Annotated[
        str | None, option("--time-limit", "--time", "-t", metavar="TIME", text=f"Stop it after this: {LENGTH}.")
    ] = None
    estimate: Annotated[str | None, option("--estimate", metavar="TIME", text="How long it will probably run.")] = None
    begin: Annotated[
        str | None,
        option(
            "--begin", metavar="MOMENT", text="Not before this: now+2h, tomorrow 8:00, 2030-05-01T18:00; none: at once."
        ),
    ] = None
    retries: Annotated[int | None, option("--retries", metavar="N", text="How often to try again.")] = None
    env: Annotated[
        list[str] | None, option("--env", "-e", metavar="K=V", text="Set a variable; the others stay. May be repeated.")
    ] = None
    unset_env: Annotated[
        list[str] | None, option("--unset-env", metavar="K", text="Take a variable away. May be repeated.")
    ] = None
    label: Annotated[
        list[str] | None, option("--label", "-l", metavar="K=V", text="Its labels; the others go. May be repeated.")
    ] = None

    def body(self, words: Sequence[str]) -> dict[str, Any]:
        """What the server is asked for; `words` stood behind `--`. Raises `UsageError` that names the option."""
        sizes = ("gpus", "gpu_model", "gpu_memory_gb", "cpus", "memory_gb", "nodes")
        said = without_gaps(
            {
                "name": self.name,
                "command": self._command(words),
                "queue": self.queue,
                "priority": parse_priority(self.priority),
                "resources": without_gaps({name: getattr(self, name) for name in sizes}),
                "max_runtime_seconds": _seconds("--time-limit", self.time_limit),
                "estimated_runtime_seconds": _seconds("--estimate", self.estimate),
                "max_retries": self.retries,
                "env": parse_labels("--env", self.env or []) | dict.fromkeys(self.unset_env or []),
                "labels": parse_labels("--label", self.label or []),
            }
        )
        return said | self._begin()

    def _command(self, words: Sequence[str]) -> list[str] | None:
        if words and self.command is not None:
            raise UsageError("--command and a command behind --: write one of them.")
        text = self.command
        return list(words) or (None if text is None else understand(shlex.split, "--command", text))

    def _begin(self) -> dict[str, Any]:
        text = self.begin
        if text is None:
            return {}
        return {"begin_at": None if text == NONE else begin_moment("--begin", text)}


def _seconds(name: str, text: str | None) -> int | None:
    return None if text is None else understand(parse_duration, name, text)
