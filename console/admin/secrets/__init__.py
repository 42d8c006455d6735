"""Secrets of projects and users: listed, set and deleted, never shown.

May import the use cases of `quotas.secrets`.
"""
