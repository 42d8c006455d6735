"""Commands about schedules: jobs that are submitted at certain times.

May import the other rooms of `cli` but no command outside this one. Words: *schedule*, as `docs/guide/schedules.md` has it.
"""
