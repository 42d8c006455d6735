"""Secrets of projects and users: set, listed without values, deleted; and handed to the agents of placements.

May import `api.http`. Words: *secret*, *own* (of the caller).
"""
