"""Pages about pools of machines.

May import the cells and keeping of the other pages, and jobs and workers.
"""
