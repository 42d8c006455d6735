"""Sessions beside the commands of this node: an event loop in a thread of its own, one connection out to the site for each.

`hub.py` is what the rest of the agent knows; `wire.py` the connection, `flow.py` streams of bytes with room, `process.py` a command
or a terminal, `forwarding.py` a port. May import `executors/run/`. Words: as `jobs.sessions` and `streams` have them.
"""
