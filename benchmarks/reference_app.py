"""What the figures are compared with: plain Celery whose tasks run the same subprocess, on the same broker."""

import os
import subprocess
import time

import redis
from celery import Celery

QUEUE = "reference"
DONE = "reference-done"

app = Celery("reference", broker=os.environ.get("REFERENCE_BROKER_URL"))
app.conf.update(task_default_queue=QUEUE, task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task
def run(command: list[str]) -> None:
    """Run the command to its end, and say when that was."""
    subprocess.run(command, check=True)
    with redis.Redis.from_url(app.conf.broker_url) as broker:
        broker.rpush(DONE, repr(time.time()))
