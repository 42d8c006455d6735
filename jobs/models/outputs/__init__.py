"""Rows of what attempts leave behind: the outputs and the checkpoints that are kept of each.

Imports nothing of `jobs` but its rows. Words: as `jobs.outputs` has them.
"""
