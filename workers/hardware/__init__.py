"""What a machine has: processors, memory, disks, addresses, GPUs and their faults; measured or declared.

May import `scheduling.errors`, plain Python and the drivers' own libraries: no Django, no Celery, no rows.
"""
