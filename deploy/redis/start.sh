#!/bin/sh
# Starts Redis with a password that stands in no command line and no environment, only in files of its own user.
set -eu
umask 077
secret="${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}"
config="${REDIS_CONFIG:-/etc/trainyard/redis.conf}"
password="${REDIS_RUNTIME:-/tmp}/password.conf"
printf 'requirepass "%s"\n' "$(sed 's/[\\"]/\\&/g' "$secret")" > "$password"
exec redis-server "$config" --include "$password" "$@"
