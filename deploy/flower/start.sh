#!/bin/sh
# Starts Flower with its users from a secret: they stand in no command line and not in what `docker inspect` shows.
set -eu
FLOWER_BASIC_AUTH="$(cat "${FLOWER_BASIC_AUTH_FILE:-/run/secrets/flower_basic_auth}")"
export FLOWER_BASIC_AUTH
exec celery -A scheduler_site flower --address=0.0.0.0 --port=5555 "$@"
