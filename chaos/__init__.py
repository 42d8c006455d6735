"""The fault drill: real jobs on a real platform while its parts are killed, and proof afterwards that nothing went wrong.

May import everything; nothing imports it. Words: *fault*, *drill* (one recovery, timed), *diary* (what a job wrote of itself), *storm*.
"""
