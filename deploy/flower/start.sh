#!/bin/sh
# Starts Flower with its users from a secret: they stand in no command line and not in what `docker inspect` shows.
set -eu
FLOWER_BASIC_AUTH="$(cat "${FLOWER_BASIC_AUTH_FILE:-/run/secrets/flower_basic_auth}")"
export FLOWER_BASIC_AUTH
# Read-only: jobs are cancelled through the site, which knows their state; a task revoked here would come back.
exec celery -A scheduler_site flower --address=0.0.0.0 --port=5555 --read-only "$@"
