"""Secrets of projects and users: kept encrypted, named by jobs, never shown again.

May import scheduling and the rows of quotas; knows neither jobs nor nodes, and is imported by nothing that an agent runs. Words:
*secret* (a name and a value that somebody wrote), *key ring* (the keys of this installation: the first encrypts, all decrypt),
*nearest* (of secrets with one name: the owner's own, then the project's, then those of the projects above it).
"""
