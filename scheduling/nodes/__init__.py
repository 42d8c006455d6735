"""Nodes as one planning pass sees them: what is free, what fits where, and what will be free later.

Imports the language of `scheduling` only. Words: *free nodes* (a working copy), *feasibility* (which nodes can take a request),
*profile* (free room as steps in time).
"""
