"""The clock by which leases are counted: it goes on while the machine is suspended.

The monotonic clock of Linux stands still then, so that a lease on it would outlive by the whole sleep what the database
knows of it: by then the job may run elsewhere. Of a pause of a virtual machine a clock shows what the hypervisor tells.
"""

import time


def boottime() -> float:
    """Seconds since the machine started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
