"""Placement of a batch of jobs together, measured beside placing one after the other: the platform does the latter."""
