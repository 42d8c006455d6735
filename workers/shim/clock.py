"""The clock by which leases are counted: it goes on while the machine is suspended or its virtual machine paused.

The monotonic clock of Linux stands still then, so that a lease on it would outlive by the whole sleep what the database
knows of it: by then the job may run elsewhere.
"""

import time


def boottime() -> float:
    """Seconds since the machine started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
