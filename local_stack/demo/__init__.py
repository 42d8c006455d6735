"""`make demo`: a sweep of real training runs, from submission to its best model, over REST like any other user.

May import `local_stack.servers`, and the package `trainyard` as users' programs do.
"""
