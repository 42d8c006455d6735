"""Settings of the walls around commands, for agents. `settings.py` takes all of them."""

from scheduler_site import env

# Whom commands run as where the agent is root; whether they see their own processes and GPUs alone, and have their own /tmp
# and shared memory; where they may go though a folder above is closed; how many processes and threads each may have (0: any).
RUN_AS = env.text("TRAINYARD_RUN_AS", "auto")
WALLS = env.text("TRAINYARD_WALLS", "auto")
PRIVATE_TMP = env.yes_no("TRAINYARD_PRIVATE_TMP", default=True)
JOB_FOLDERS = env.words("TRAINYARD_JOB_FOLDERS", "")
PROCESS_LIMIT = env.whole("TRAINYARD_PROCESS_LIMIT", 4096)
