"""Rows of sessions: who works beside a running job, or did.

Imports nothing of `jobs` but the rows of jobs. Words: as `jobs.sessions` has them.
"""
