"""Who gives way to a waiting job: the cheapest victims by right of priority or share, and whoever holds quota that is another's.

May import what planning may, and the state of the pass beside it. The way in is `preemption.preempt`. Words: *victim*,
*shortfall*, *borrower*.
"""
