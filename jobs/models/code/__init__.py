"""Rows of the code that jobs bring along: snapshots, their blobs, and the packs in which those lie.

Imports nothing of `jobs`. Words: as `jobs.code` has them.
"""
