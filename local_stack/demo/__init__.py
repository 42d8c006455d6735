"""`make demo`: a sweep of real training runs, from submission to results, over REST like any other user.

May import `local_stack.servers`.
"""
