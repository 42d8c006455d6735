"""An executor as a process that lasts: its place in a Celery worker, whether its messages arrive, and how it ends or begins anew.

May import session, jobs, workers and the language of `scheduling`. Words: *bootstep*, *queue probe*, *shutdown*, *speaker* (whoever takes what the platform sends to this process).
"""
