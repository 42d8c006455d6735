"""What a process did last, as files whose age a probe from outside can see: that it works, and not only lives.

`find TRAINYARD_PROOF_FOLDER/done -mmin -1` is such a probe; without that setting nothing is marked.
"""

from contextlib import suppress
from pathlib import Path

from django.conf import settings

DONE = "done"
"""A message came in, and its task ended."""
SENT = "sent"
"""A message went out, and the broker took it."""
TURNED = "turned"
"""The thread that speaks for a node has turned, whether or not the database answered."""
LOOKED = "looked"
"""The autoscaler has looked at its pools, or waits for its turn."""


def mark(what: str) -> None:
    """Now. A folder that cannot be written in keeps nobody from his work."""
    if settings.PROOF_FOLDER:
        with suppress(OSError):
            folder = Path(settings.PROOF_FOLDER)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / what).touch()
