"""The command line of the Celery worker that an executor is."""

from jobs.messages.routing import node_queues


def worker_arguments(name: str, *, threads: int) -> list[str]:
    """Celery's own command line. The order of the queues is their order of urgency."""
    return [
        "--quiet",
        "worker",
        f"--hostname=node@{name}",
        f"--queues={','.join(node_queues(name))}",
        "--pool=threads",
        f"--concurrency={threads}",
        "--without-gossip",
        "--without-mingle",
        "--loglevel=WARNING",
    ]
