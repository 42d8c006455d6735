"""Settings of what attempts leave behind: it lies where code does. `settings.py` takes all of them."""

from scheduler_site import env

# The most that is kept of one attempt: of its outputs and of its checkpoints (MB; 0: none of them), and files of both.
OUTPUT_MB = env.number("TRAINYARD_OUTPUT_MB", 10_240)
CHECKPOINT_MB = env.number("TRAINYARD_CHECKPOINT_MB", 20_480)
OUTPUT_FILES = env.whole("TRAINYARD_OUTPUT_FILES", 100_000, at_least=1)
# The most that a project keeps of all its jobs, where neither it nor one above has a limit (0: any).
OUTPUT_PROJECT_GB = env.number("TRAINYARD_OUTPUT_PROJECT_GB", 0)
# For how long after the job's end, unless it is marked to be kept; and for how long a node may try to bring it.
OUTPUT_RETENTION_DAYS = env.whole("TRAINYARD_OUTPUT_RETENTION_DAYS", 30, at_least=1)
OUTPUT_UPLOAD_DAYS = env.whole("TRAINYARD_OUTPUT_UPLOAD_DAYS", 7, at_least=1)
# Of agents: for how long an attempt waits for what another node is still uploading.
OUTPUT_WAIT_SECONDS = env.number("TRAINYARD_OUTPUT_WAIT_SECONDS", 600, at_least=1)
