"""Where a job came from: kept with its row, so that whoever works on it later, in whatever process, can say so."""

import logging
from dataclasses import dataclass

life = logging.getLogger("trainyard.jobs")
"""What happens to jobs, a line each: told by every process, also by those that are quiet about all else (`TRAINYARD_LOG_LEVEL`)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that brought a job, and the span of its trace in which it was submitted (W3C `traceparent`)."""

    request_id: str = ""
    traceparent: str = ""

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1] if self.traceparent else ""

    @property
    def ids(self) -> dict[str, str]:
        """As a line about the job has them."""
        return {"request_id": self.request_id, "trace_id": self.trace_id}


UNKNOWN = Origin()
