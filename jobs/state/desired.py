"""What may be wished of a job that is on its nodes, in words: the values of `desired`, and what agents are told.

What an agent does about each stands in `runs.py`. `preempt` and `end` belong to `preemptions.py` and `gangs.py`.
"""

CANCEL = "cancel"
REQUEUE = "requeue"
PAUSE = "pause"
STALL = "stall"

SUSPEND = "suspend"
"""Stands in no row: agents are told it of a job that is suspended and of which nothing else is wished."""
NOTHING = ""
"""The job is to run: one that was suspended goes on."""
