"""The server, as commands speak to it: which one, as whom, requests, refusals, streams and logs.

Imports nothing of the other rooms of `cli`.
"""
