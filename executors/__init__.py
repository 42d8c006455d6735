"""Programs that claim placements, hold leases, run commands and report ends. The node agent is the first of them.

May import jobs, workers and scheduling; nothing but the site and the local stack imports it. Inside:
management > node | bridge > celery_worker > session > upload > run > engine.
"""
