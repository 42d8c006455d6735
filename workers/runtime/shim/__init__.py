"""A small process beside every job: owns its command, writes its log and its end, and sees that nothing of it survives.

It outlives the agent that started it, so that an agent can be replaced while training goes on; and it stops the command by
itself when the lease is no longer renewed. It must stay small and start fast, so it uses `posix`, `_signal`, `_json` and
`_ctypes`: the Python modules around them (`os`, `signal`, `json`, `ctypes`) cost 2 to 15 ms each at start, these well under
one. For the same reason nothing here imports `typing`.
"""
