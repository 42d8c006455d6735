"""Processes as /proc shows them."""

import posix

FEW_CHILDREN_BYTES = 2048


def read_text(path: str) -> str:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return read_all(fd).decode(errors="replace")
    finally:
        posix.close(fd)


def read_all(fd: int) -> bytes:
    data = b""
    while chunk := posix.read(fd, 64 * 1024):
        data += chunk
    return data


def read_short(path: str) -> bytes:
    """What one read gives: enough for a line that the kernel writes."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 4096)
    finally:
        posix.close(fd)


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second is a name that may hold spaces and brackets."""
    return read_text(f"/proc/{pid}/stat").rpartition(") ")[2].split()


def start_ticks(pid: int) -> int:
    """When the process started, in ticks since boot, to recognise a reused id; 0 if it is gone."""
    try:
        return int(stat_fields(pid)[19])
    except (OSError, IndexError):
        return 0


def all_children() -> dict[int, list[int]]:
    """The ids of the children of every process."""
    children: dict[int, list[int]] = {}
    for name in posix.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(stat_fields(int(name))[1])
            except (OSError, IndexError):
                continue  # it ended meanwhile
            children.setdefault(parent, []).append(int(name))
    return children


def descendants(roots: list[int], children: dict[int, list[int]]) -> list[int]:
    """Every process below `roots`, zombies included."""
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def own_children() -> list[int]:
    """The children of this process of one thread."""
    me = posix.getpid()
    try:
        return [int(pid) for pid in read_text(f"/proc/self/task/{me}/children").split()]
    except OSError:  # a kernel without that file
        return all_children().get(me, [])


def family(pid: int, enough: float = float("inf")) -> list[int]:
    """This process and every living or dead one below it, by what each thread has started: no look at strangers.

    Of more than `enough` not all.
    """
    found = [pid]
    for each in found:  # grows as we go
        found += children(each)
        if len(found) > enough:
            break
    return found


def children(pid: int) -> list[int]:
    try:
        threads = posix.listdir(f"/proc/{pid}/task")
    except OSError:
        return []  # it ended meanwhile
    return [child for thread in threads for child in children_of(pid, thread)]


def threads_of(pid: int) -> int:
    """How many it has: its folder of them says so without being listed."""
    try:
        return posix.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:
        return 0


def children_of(pid: int, thread: str) -> list[int]:
    try:
        path = f"/proc/{pid}/task/{thread}/children"
        found = read_short(path)
        if len(found) > FEW_CHILDREN_BYTES:
            found = read_text(path).encode()
        return [int(child) for child in found.split()]
    except OSError:  # it ended, or a kernel without that file
        return []


def send(pid: int, number: int) -> None:
    """Signals a process, or a whole group by its negative id; one that is gone is no error."""
    try:
        posix.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def oom_kills() -> int:
    """How many processes the system has killed for want of memory since it started, within limited groups too."""
    try:
        return int(read_text("/proc/vmstat").partition("\noom_kill ")[2].split("\n")[0])
    except (OSError, ValueError):
        return 0
