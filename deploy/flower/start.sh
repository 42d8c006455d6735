#!/bin/sh
# Starts Flower with its users from a secret: they stand in no command line and not in what `docker inspect` shows.
set -eu
FLOWER_BASIC_AUTH="$(cat "${FLOWER_BASIC_AUTH_FILE:-/run/secrets/flower_basic_auth}")"
export FLOWER_BASIC_AUTH
# It is read-only by itself (scheduler_site/flower_view.py): jobs are cancelled through the site, which knows their state.
exec celery -A scheduler_site flower --address=0.0.0.0 --port=5555 "$@"
