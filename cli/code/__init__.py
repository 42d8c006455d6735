"""The code that a job brings along: a folder read, hashed, and uploaded as far as the server lacks it.

May import client and the words of `cli`; loaded for `--sync` alone. Words: *snapshot*, *blob*, *part*, as `docs/laptop-to-fleet.md` has them.
"""
