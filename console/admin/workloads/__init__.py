"""Pages about workloads: how each stands, its figures and its jobs, and what is asked of all of them.

May import the cells beside it, and what the pages may.
"""
