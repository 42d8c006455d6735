"""Sessions beside running jobs, over REST: asked for, listed, ended; and the two WebSockets of each, passed on by this web process.

May import http, and what `jobs/sessions/` knows. `relay.py` is an event loop in a thread of its own: a session holds no web thread.
"""
