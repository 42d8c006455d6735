"""What runs on the nodes: a batch script that makes sure of being the only one, and one shell for each member around its command.

Plain bash (4.3 and later), as nothing else is sure to be there. Both are the same for all workloads but for the values at their
head; command and variables come from files that only the job's user may read, so that Slurm's books hold no secrets.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

BATCH = """\
: "${HOME:=~}" "${USER:=$SLURM_JOB_USER}"
export HOME USER
if ! cd "$folder"; then
    echo "trainyard: $folder is not there: the workload was given up, or this node does not see the shared folder." >&2
    exit 1
fi
set -C  # a file is made, and only where there is none: of two jobs one can
if ! echo "${SLURM_JOB_ID:?}" 2>/dev/null > owner; then
    echo "trainyard: this workload was started before, by Slurm job $(cat owner): nothing runs here." >&2
    exit 1
fi
set +C
: > "$sign"
if [ "$members" -eq 1 ]; then
    . "$folder/member.sh"  # which ends with exit
fi
trap '[ -s stop ] || echo "term $grace" > stop' TERM
srun --ntasks="$members" --ntasks-per-node=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --kill-on-bad-exit=1 --mpi=none \\
    --input=none --quit-on-interrupt /bin/bash "$folder/member.sh" &
step=$!
code=0
while kill -0 "$step" 2>/dev/null; do
    wait "$step"
    code=$?
done
: > "$sign.ended"
exit "$code"
"""

MEMBER = """\
log="$folder/log.$rank"
pid=
asked=
deadline=

finish() {  # REASON CODE: the last word of this member
    words=
    if [ -e "$folder/start_failed.$rank" ]; then
        read -r words < "$folder/start_failed.$rank"
        set -- start_failed "$2"
    fi
    printf '%s %s %s\\n' "$1" "$2" "$words" > "$folder/ending.$rank"
    [ "$members" -gt 1 ] || : > "$sign.ended"
    exit "$2"
}

end_soon() {  # REASON SECONDS: SIGTERM now, once; SIGKILL after so long, and a shorter time wins
    if [ -z "$asked" ]; then
        asked=$1
        [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
    fi
    local at=$((SECONDS + $2))
    if [ -z "$deadline" ] || [ "$at" -lt "$deadline" ]; then deadline=$at; fi
}

look() {  # opened each time: only that makes NFS ask its server whether there is something new
    local why seconds
    if read -r why seconds < "$folder/stop" 2>/dev/null; then end_soon "$why" "${seconds:-0}"; fi
}

trap 'end_soon term "$grace"' TERM
look
[ -z "$asked" ] || finish "$asked" 143
SECONDS=0
set -m  # a process group of its own for the command: SIGTERM is for its first process, SIGKILL for all
(
    trap - TERM
    . "$folder/environment.$rank"
    if ! cd -- "$directory" 2>/dev/null; then
        echo "The working directory $directory cannot be entered on this node." > "$folder/start_failed.$rank"
        exit 126
    fi
    if ! type -P -- "${trainyard_command[0]}" > /dev/null; then
        echo "There is no command ${trainyard_command[0]} on this node, or it may not be run." > "$folder/start_failed.$rank"
        exit 127
    fi
    exec "${trainyard_command[@]}"
) < /dev/null >> "$log" 2>&1 &
pid=$!
pauses=(0.05 0.05 0.1 0.2 0.5)
turn=0
while kill -0 "$pid" 2>/dev/null; do
    sleep "${pauses[$turn]:-1}" &
    turn=$((turn + 1))
    wait -n 2>/dev/null
    look
    if [ "$most" -gt 0 ] && [ "$SECONDS" -ge "$most" ]; then end_soon timeout "$grace"; fi
    if [ -n "$deadline" ] && [ "$SECONDS" -ge "$deadline" ]; then kill -KILL -- "-$pid" 2>/dev/null; fi
done
wait "$pid"
finish "${asked:-exited}" "$?"
"""


def batch(name: str, values: Mapping[str, str | int]) -> str:
    """`values`: folder, sign, members, grace."""
    return f"#!/bin/bash\n# Trainyard's workload {name}.\n{_assigned(values)}{BATCH}"


def member(values: Mapping[str, str | int], nodes: Sequence[str]) -> str:
    """`values`: folder, sign, members, directory, grace, most. The rank is that of the node, by the planner's order."""
    cases = "".join(f"    {shlex.quote(node)}) rank={rank} ;;\n" for rank, node in enumerate(nodes))
    ranks = f'case "${{SLURMD_NODENAME:-}}" in\n{cases}    *) rank=${{SLURM_PROCID:-0}} ;;\nesac\n'
    return f"#!/bin/bash\n{_assigned(values)}{ranks}{MEMBER}"


def environment(variables: Mapping[str, str], command: Sequence[str]) -> str:
    """What a member's shell reads last: variables, and the command word by word: no shell looks into the words."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if NAME.fullmatch(name)]
    others = [f"{name}={value}" for name, value in variables.items() if not NAME.fullmatch(name)]
    words = ["env", *others, *command] if others else command
    return "\n".join([*exports, f"trainyard_command=({' '.join(map(shlex.quote, words))})", ""])


def _assigned(values: Mapping[str, str | int]) -> str:
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())
