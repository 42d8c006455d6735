"""Settings of what jobs bring along: code, and the keys of their secrets. `settings.py` takes all of them, and says in which folder code lies."""

from scheduler_site import env

# Where it lies: in a folder that all web processes and the control worker share, or in a bucket. Agents need no keys.
CODE_STORAGE = env.text("TRAINYARD_CODE_STORAGE", "files")
CODE_STORAGE = CODE_STORAGE if env.text("TRAINYARD_ROLE", "site") != "node" else "files"
CODE_S3 = {
    "bucket_name": env.text("TRAINYARD_CODE_S3_BUCKET"),
    "location": env.text("TRAINYARD_CODE_S3_PREFIX"),
    "endpoint_url": env.text("TRAINYARD_CODE_S3_ENDPOINT") or None,
    "region_name": env.text("TRAINYARD_CODE_S3_REGION") or None,
    "access_key": env.secret("TRAINYARD_CODE_S3_ACCESS_KEY", wanted=CODE_STORAGE == "s3") or None,
    "secret_key": env.secret("TRAINYARD_CODE_S3_SECRET_KEY", wanted=CODE_STORAGE == "s3") or None,
}
# The most that a snapshot may be, and all code of a project (0: any); for how many days code is kept that no job names.
CODE_FILES = env.whole("TRAINYARD_CODE_FILES", 20_000, at_least=1)
CODE_MB = env.number("TRAINYARD_CODE_MB", 512, at_least=1)
CODE_PROJECT_GB = env.number("TRAINYARD_CODE_PROJECT_GB", 0)
CODE_RETENTION_DAYS = env.whole("TRAINYARD_CODE_RETENTION_DAYS", 14, at_least=1)
# Where agents fetch it: the site's address as nodes reach it. For how long they try, and what they keep for the next job.
CODE_URL = env.text("TRAINYARD_CODE_URL").rstrip("/")
CODE_FETCH_SECONDS = env.number("TRAINYARD_CODE_FETCH_SECONDS", 120, at_least=1)
CODE_CACHE_GB = env.number("TRAINYARD_CODE_CACHE_GB", 20)

# By which values of secrets are encrypted, the first one first. Never an agent's, even where its environment has them.
SECRETS_KEYS = env.secret("TRAINYARD_SECRETS_KEYS", wanted=env.text("TRAINYARD_ROLE", "site") != "node")
# Environments that agents build of files in it: how many they keep, and for how long a job is made ready at most.
ENVIRONMENT_CACHE_GB = env.number("TRAINYARD_ENVIRONMENT_CACHE_GB", 40)
CONTAINER_RUNTIME = env.text("TRAINYARD_CONTAINER_RUNTIME", "auto")
SETUP_SECONDS = env.number("TRAINYARD_SETUP_SECONDS", 1800, at_least=1)
