"""What is done to jobs that run, and how: migrations, preemptions, and the settings by which the scheduler decides.

May import http, shapes, and what jobs know. Words: *migration*, *preemption*, *scheduler setting*.
"""
