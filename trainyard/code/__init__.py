"""The code that a job brings along: a folder read, hashed, and uploaded as far as the server lacks it.

May import http and the words of `trainyard`; loaded where code is sent alone. Words: *snapshot*, *blob*, *part*, as `docs/laptop-to-fleet.md` has them.
"""
