"""Settings of sessions beside running jobs (`trainyard exec`, `shell`, `port`). `settings.py` takes all of them."""

from scheduler_site import env

# Whether there are any. An agent that was told `no` serves none, whatever the site says.
SESSIONS = env.yes_no("TRAINYARD_SESSIONS", default=True)
SESSIONS_PER_USER = env.whole("TRAINYARD_SESSIONS_PER_USER", 8, at_least=1)
SESSIONS_PER_JOB = env.whole("TRAINYARD_SESSIONS_PER_JOB", 8, at_least=1)
# How many halves of sessions one web process passes on: sockets in an event loop of their own, no threads.
SESSIONS_PER_PROCESS = env.whole("TRAINYARD_SESSIONS_PER_PROCESS", 256, at_least=2)
# A session in which nothing was said in either direction for so long is ended by its agent.
SESSION_IDLE_SECONDS = env.number("TRAINYARD_SESSION_IDLE_SECONDS", 3600, at_least=1)
# By which of its addresses the other web processes reach this one; where all of them are on one machine, its loopback.
SESSIONS_ADDRESS = env.text("TRAINYARD_SESSIONS_ADDRESS", "127.0.0.1")
