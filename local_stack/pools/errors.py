"""What keeps a pool from doing what it was asked to. Each is a sentence for the person at the terminal."""


class PoolError(Exception):
    """It cannot be done; the exit code tells scripts why."""

    exit_code = 1


class UsageError(PoolError):
    """What was asked for makes no sense."""

    exit_code = 2


class NotRunningError(PoolError):
    """There is no such pool now."""

    exit_code = 3
