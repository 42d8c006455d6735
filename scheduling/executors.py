"""Who runs a job: the words by which jobs and queues ask for it."""

from dataclasses import dataclass

AGENT, ANY = "agent", "any"
WORDS = (AGENT, ANY)
"""Beside these a kind of clusters may be named, or one cluster."""


def executor_of(own: str, of_queue: str) -> str:
    """What a job asks for: what it says itself, else its queue; without a word from either, agents."""
    return own or of_queue or AGENT


def as_asked(executor: str) -> str:
    """As a request has it: empty where anybody will do."""
    return "" if executor == ANY else executor


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster that runs jobs by its own means, and does not answer: since when, and in which words."""

    name: str
    kind: str
    since: float | None = None
    fault: str = ""
