"""How many nodes each pool should have: what the waiting jobs would use, and how fast a pool may grow and shrink for it.

A pool is a number of nodes of one shape of which more or fewer can be had. `demand` asks the planner itself, with nodes
that are not there; `decision` bounds what a pool makes of that. Imports planning and below; nobody here starts a node.
"""
