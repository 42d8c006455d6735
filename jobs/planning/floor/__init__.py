"""A floor under every wait, from plan to plan: its shadow schedule as rows, and what became of its promises.

May import what planning may; the cycle beside it calls it. Words: *shadow*, *promise*.
"""
