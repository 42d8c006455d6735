"""Several agents on one machine, under one supervisor that can be asked to change their number.

May import `local_stack.servers`.
"""
