"""Jobs that were submitted, differently: what a waiting one asks for is changed, any one is submitted again with changes.

May import submission and control. Words: *edit* (of a job that waits), *clone* (a new job, or workload, like an old one).
"""
