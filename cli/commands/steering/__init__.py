"""Commands about what is done to jobs that run, and by what the scheduler decides: migrations, preemptions, its settings.

May import the other rooms of `cli` but no command outside this one. Words: *migration*, *preemption*, *scheduler setting*.
"""
