"""Pages about what is done to jobs that run, and by what the scheduler decides: moves, the scheduler's settings.

May import the cells and keeping of the other pages, and jobs.
"""
