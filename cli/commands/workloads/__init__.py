"""Commands about workloads: named sets of jobs, and what is asked of all of them.

May import the other rooms of `cli` but no command outside this one. Words: *workload*, as `docs/guide/workloads.md` has it.
"""
