"""Where the jobs of one pass go: the strategy, and what it is told of each of them.

May import what planning may, and nothing of planning. Words: *strategy*, *decision* (why it is there), *tries* (jobs of a kind on a type of machine).
"""
