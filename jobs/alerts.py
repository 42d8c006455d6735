"""What went wrong in a cycle without stopping it: logged once, and kept on record for as long as it lasts."""

import logging
from collections.abc import Sequence

log = logging.getLogger(__name__)
_last: list[str] = []


def told(alerts: Sequence[str]) -> list[str]:
    """The alerts of this cycle, as they go on record. Those that the cycle before did not have are logged."""
    for alert in alerts:
        if alert not in _last:
            log.error(alert)
    _last[:] = alerts
    return list(alerts)
