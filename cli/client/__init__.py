"""The server, as commands speak to it: which one, as whom, requests, refusals, streams.

Imports nothing of the other rooms of `cli`.
"""
