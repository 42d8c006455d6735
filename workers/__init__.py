"""The machines: their rows and heartbeats; `hardware` measures them, `runtime` runs commands on them.

Knows nothing of jobs; may import scheduling. `hardware` and `runtime` use neither Django nor Celery, so that an executor can use them without the server.
"""
