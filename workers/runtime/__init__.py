"""Running commands on a machine: a shim beside each, limits and walls around it, its output, reports and checkpoints read.

May import hardware; no Django, no Celery. Words: *shim* (the process that owns a command), *wall* (what keeps a job from the rest
of its node), *cgroup*, *idle watchdog*.
"""
