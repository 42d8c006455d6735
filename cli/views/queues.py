"""Queues and what they limit, in words."""

from collections.abc import Callable, Iterator

from cli.client.requests import Row
from cli.durations import spell
from cli.output import visible


def spell_limits(queue: Row) -> str:
    """`2h 00m a job, 8 GPUs a job, 20 waiting a user`; nothing where nothing is limited."""
    return ", ".join(_limits(queue))


def _limits(queue: Row) -> Iterator[str]:
    for name, words in WORDS:
        most = queue.get(name)
        if most is not None:
            yield words(most)
    if queue.get("allowed_projects"):
        yield f"only for {visible(', '.join(queue['allowed_projects']))}"


def _counted(noun: str) -> Callable[[float], str]:
    return lambda most: f"{most} {noun}{'' if most == 1 else 's'} a job"


WORDS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("max_runtime_seconds", lambda most: f"{spell(most)} a job"),
    ("default_runtime_seconds", lambda usual: f"{spell(usual)} without a limit of its own"),
    ("max_gpus", _counted("GPU")),
    ("max_cpus", _counted("CPU")),
    ("max_nodes", _counted("node")),
    ("max_memory_gb", lambda most: f"{most:g} GB a job"),
    ("max_waiting_per_user", lambda most: f"{most} waiting a user"),
    ("max_priority_member", lambda most: f"priority {most} for members"),
    ("max_priority_admin", lambda most: f"priority {most} for admins"),
)
