"""The door of the shim: `python -I -S main.py FOLDER` runs one; without a folder it serves an agent that names many."""

import posix
import sys

sys.path.append(__file__.rpartition("/workers/runtime/shim/")[0])  # -I keeps our own folder out of the path

from workers.runtime.shim.server import serve
from workers.runtime.shim.supervisor import Supervisor

if __name__ == "__main__":
    if len(sys.argv) > 1:
        Supervisor(sys.argv[1]).run()
    else:
        serve()
    posix._exit(0)  # noqa: SLF001  nothing to tidy up; the interpreter would take a millisecond over it
