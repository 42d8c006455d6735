#!/bin/bash
# build_slurm.sh OUT SUITE: a Slurm with its database, JWT and REST, unpacked from the packages of Debian SUITE (bookworm: 22.05,
# trixie: 24.11) into OUT; nothing is installed, root is not needed. Half a minute and 500 MB of disk for each, once.
#
#   OUT/programs/NAME   each program, with the loader and the libraries that came with it: it runs on any Linux
set -euo pipefail
OUT=$(realpath -m "$1") SUITE=$2
WORK="$OUT.part"
rm -rf "$WORK" "$OUT" && mkdir -p "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial" "$WORK/programs" && cd "$WORK"

# 1. A view of apt's that is ours alone, in which nothing is installed: so it names all that the packages need.
MIRROR=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Component: main" | grep -v -e security -e updates | sort -u | head -1)
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
  "${MIRROR:?no Debian among the sources of apt}" "$SUITE" > apt/slurm.sources
touch apt/status
view=(-q -o "Dir::Etc::sourcelist=$WORK/apt/slurm.sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$WORK/apt/lists"
      -o "Dir::State::status=$WORK/apt/status" -o "Dir::Cache=$WORK/apt/cache" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
apt-get "${view[@]}" update
apt-get "${view[@]}" install --yes --download-only --no-install-recommends slurmctld slurmd slurmdbd slurmrestd slurm-client \
  slurm-wlm-jwt-plugin slurm-wlm-basic-plugins munge mariadb-server-core mariadb-client-core patchelf
for package in apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$WORK" && rm "$package"; done
rm -rf apt usr/share/doc usr/share/man usr/share/locale usr/share/perl var

# 2. Programs by their names (what they may do depends on those), with the loader and the libraries that came with them.
LIBRARIES=usr/lib/x86_64-linux-gnu
LOADER=$(cd "$WORK" && find . -name 'ld-linux-x86-64.so.2' -type f | head -1)
LOADER=${LOADER#./}
for program in slurmctld slurmd slurmdbd slurmrestd slurmstepd munged mariadbd sbatch squeue scancel scontrol sacct sacctmgr sinfo srun mariadb; do
  found=$(find usr/bin usr/sbin -name "$program" -o -name "$program-wlm" | head -1)  # Debian has other slurms beside it
  cp -L "$found" "programs/$program"
  "$LOADER" --library-path "$LIBRARIES:lib/x86_64-linux-gnu" usr/bin/patchelf --set-interpreter "$OUT/$LOADER" --force-rpath \
    --set-rpath "$OUT/$LIBRARIES:$OUT/lib/x86_64-linux-gnu:$OUT/$LIBRARIES/slurm-wlm" "programs/$program"
done
cd / && mv "$WORK" "$OUT"
"$OUT/programs/slurmctld" -V
