#!/bin/sh
# Unpacks Debian's podman into a folder, installing nothing, so that the tests of containers have a real runtime:
#   eval "$(sh tests/deploy/container_runtime.sh FOLDER)"; pytest tests/executors/node/test_containers.py
# As root on Debian, with its package mirror in reach. No registry is asked: the tests import an image of busybox alone.
set -eu
folder=$(realpath "${1:?a folder is needed}")
mkdir -p "$folder/debs" "$folder/conf" "$folder/home/.config/containers"
root=$folder/root
if [ ! -e "$root/usr/bin/podman" ]; then
  (cd "$folder/debs" && apt-get download -q podman conmon runc busybox-static libsubid4 libgpgme11 libassuan0 libseccomp2 \
    golang-github-containers-common >&2)
  for package in "$folder"/debs/*.deb; do dpkg -x "$package" "$root"; done
fi
libraries=$(find "$root" -name '*.so*' -exec dirname {} + | sort -u | tr '\n' ':')
wrapped() {
  printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s %s\nexec %s "$@"\n' "$libraries" "$3" "$2" > "$folder/$1"
  chmod +x "$folder/$1"
}
cat > "$folder/conf/storage.conf" << END
[storage]
driver = "vfs"
graphroot = "$folder/store"
runroot = "$folder/run"
END
cat > "$folder/conf/containers.conf" << END
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
conmon_path = ["$folder/conmon"]
[engine.runtimes]
runc = ["$folder/runc"]
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
END
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > "$folder/home/.config/containers/policy.json"
wrapped conmon "$root/usr/bin/conmon" ""
wrapped runc "$root/usr/sbin/runc" ""
wrapped podman "$root/usr/bin/podman" \
  "CONTAINERS_CONF=$folder/conf/containers.conf CONTAINERS_STORAGE_CONF=$folder/conf/storage.conf HOME=$folder/home"
busybox=$(find "$root" -path '*/bin/busybox' -type f | head -1)
echo "export TRAINYARD_TEST_RUNTIME=$folder/podman TRAINYARD_TEST_BUSYBOX=$busybox"
