"""The server, as commands, agents' tools and scripts speak to it: which one, as whom, requests, refusals, streams and logs.

May import the words beside it (`errors`, `durations`), nothing else of `trainyard`; prints nothing.
"""
