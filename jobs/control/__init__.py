"""What people do to jobs and nodes that exist: cancel, pause, hold, change, drain, remove; one or many at once.

May import planning, attempts and what is below. Words: *verb* (what is asked), *granting* (carrying it out), *drain*.
"""
