"""The caller's end of sessions beside running jobs: `trainyard exec`, `shell` and `port`.

May import client and `streams`. `wire.py` is the connection, `beside.py` a command or a terminal, `forwarding.py` a port.
"""
