"""Answers about jobs, nodes and the platform that change nothing: why a job waits, what it would get, what Prometheus is told.

May import submission, control and what is below. Words: *explain*, *quote*, *dashboard*, *quota usage*.
"""
