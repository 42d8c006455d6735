"""What makes a pool have the nodes that it is to have: one process that compares, drains what is idle, and has nodes come and go.

May import `local_stack.pools` and `local_stack.servers`. It stands here, above everything, as a local pool does; the
actuators for commands, Kubernetes and Slurm need nothing of the local stack.
"""
