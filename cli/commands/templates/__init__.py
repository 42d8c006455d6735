"""Templates of jobs: `trainyard templates`, and what is done with one.

May import the other rooms of `cli`, and no command outside this one.
"""
