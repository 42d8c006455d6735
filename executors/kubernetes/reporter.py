"""The two scripts inside of a pod, for any POSIX shell: what the command begins with, and what ships its reports beside it.

The reporter prints the report file, byte for byte, so that the kubelet keeps it as that container's log: it can be read
when the control plane was away for an hour. That the command is over it learns from the kernel: the command holds a
FIFO open, whose other end reads its end when nobody does any more, however the command died.
"""

FOLDER = "/trainyard/run"
"""Both containers have it, and nobody else; it goes with the pod."""
REPORT = f"{FOLDER}/report.jsonl"
LAST_WORDS = "/dev/termination-log"
"""What stands there when a container ends, Kubernetes has in the container's status: of the reporter how many bytes it printed."""
NOT_FOUND = "trainyard: no such command: "

COMMAND = f"""
mkfifo {FOLDER}/alive 2>/dev/null
exec 9<>{FOLDER}/alive
: >{FOLDER}/begun
echo begun >&9
command -v "$1" >/dev/null 2>&1 || {{ echo "{NOT_FOUND}$1" | tee {LAST_WORDS} >&2; exit 127; }}
exec "$@"
""".strip()
"""Arguments: the command. It replaces the shell, so that SIGTERM, its exit code and its memory are its own."""

REPORTER = f"""
trap '' TERM
trap : USR1
mkfifo {FOLDER}/alive 2>/dev/null
exec 8<>{FOLDER}/alive
shipped=0
printed=0
ship() {{
  [ -e {REPORT} ] || return 0
  size=$(($(wc -c <{REPORT})))
  [ "$size" -ge "$shipped" ] || shipped=0
  if [ "$size" -gt "$shipped" ]; then
    tail -c "+$((shipped + 1))" {REPORT} | head -c "$((size - shipped))"
    printed=$((printed + size - shipped))
    shipped=$size
  fi
}}
(
  [ -e {FOLDER}/begun ] || read -r begun <&8
  exec 7<{FOLDER}/alive 8>&-
  cat <&7 >/dev/null
  : >{FOLDER}/over
  kill -USR1 $$
) &
exec 8>&-
until [ -e {FOLDER}/over ]; do
  ship
  sleep 1 &
  [ -e {FOLDER}/over ] || wait $!
done
ship
echo $printed >{LAST_WORDS}
""".strip()
"""A command that never begins keeps it waiting: its pod is over when the command's container is, see `ends.py`."""
