"""Small traces, written by hand."""

from simulator.cleaning import CleanJob
from simulator.cluster import pool
from simulator.replay import Replay
from simulator.settings import Rules, Settings
from simulator.trace import TraceJob


def job(number, submit, run, width=1, *, walltime=None, **more):
    """A job that asks for exactly what it runs, unless a walltime says otherwise."""
    limit = run if walltime is None else walltime
    trace = TraceJob(str(number), number + 1, submit, run, limit, cpus=width, **more)
    return CleanJob(number, run, limit, trace)


def jobs(*rows):
    """From (submit, run, width[, walltime]) rows."""
    return [
        job(number, submit, run, width, walltime=rest[0] if rest else None)
        for number, (submit, run, width, *rest) in enumerate(rows)
    ]


def replayed(rows, processors, *, policy="fifo", backfill="easy", planner=None, **settings):
    """The outcome of a replay on a pool."""
    rules = settings.pop("rules", Rules(policy=policy, backfill=backfill, explain=False))
    more = {"planner": planner} if planner else {}
    return Replay(rows, pool(processors), Settings(rules, **settings), **more).run()


def starts(outcome):
    """When each job started, by its number."""
    return {one.job.number: one.start for one in outcome.jobs}
