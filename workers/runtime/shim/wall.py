"""The wall around a command: a user that owns nothing else, and a /tmp, shared memory and IPC that end with it.

It is built by the process that becomes the command, between fork and exec, or where the command has a view of its own by
the first process of that (`init.py`), which the command joins; the shim stays outside. What the command sees
of the file system is said by the agent, as a list of what is laid over what. When the last process of the command has
ended, the system takes its mounts and its shared memory away.
"""

import _ctypes
import posix
import sys

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_SLAVE = 2, 4, 8, 4096, 16384, 1 << 19
PR_SET_NO_NEW_PRIVS = 38
RLIMIT_NPROC = 6
USE_ERRNO = 8
FOLDER, KIND = 0o040000, 0o170000
AS_USER = "as user"
"""The option of what is laid only if the command's user finds it by itself."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108  the system's own folder for it
TERMINALS = b"newinstance,ptmxmode=0666,mode=620"
LINKS = (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx"))
"""What programs expect in /dev beside devices."""


class Wall:
    """What the agent wrote down: `layers` are (target, source, options); no source stands for an empty file system."""

    def __init__(self, values: dict[str, object]) -> None:
        self.uid: int = values["uid"]  # type: ignore[assignment]  # below zero: that of the shim
        self.gid: int = values["gid"]  # type: ignore[assignment]
        self.groups: list[int] = values["groups"]  # type: ignore[assignment]
        self.layers: list[list[str]] = values["layers"]  # type: ignore[assignment]
        self.processes: int = values["processes"]  # type: ignore[assignment]  # 0: not limited by the kernel
        self.view: bool = values.get("view", False)  # type: ignore[assignment]  # whether it sees its own processes alone
        self.devices: str = values.get("devices", "")  # type: ignore[assignment]  # a folder of devices that is its own; or none

    def enter(self, init: int = 0) -> None:
        """For the process that is to become the command; it joins what `init` has built. Raises OSError."""
        if init:
            join(init)
        elif self.layers:
            self.own_mounts()
        if self.processes:
            limit = self.processes.to_bytes(8, sys.byteorder)
            call("setrlimit", RLIMIT_NPROC, limit + limit)
        self.change_user()

    def change_user(self) -> None:
        """For good. Raises OSError."""
        if self.uid >= 0:
            posix.setgroups(self.groups)
            posix.setresgid(self.gid, self.gid, self.gid)
            posix.setresuid(self.uid, self.uid, self.uid)
            call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

    def own_mounts(self) -> None:
        """Mounts that nobody else sees. All sources are opened first: a layer may hide where the next one comes from."""
        call("unshare", CLONE_NEWNS | CLONE_NEWIPC)
        call("mount", b"none", b"/", None, MS_REC | MS_SLAVE, None)
        opened = [(layer, self.source_of(layer)) for layer in self.layers]
        for (target, source, options), fd in opened:
            if fd >= 0 or not source:
                lay(target.encode(errors="surrogateescape"), fd, options.encode())
        if self.devices:
            furnish(self.devices)
        if self.view:
            call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)

    def source_of(self, layer: list[str]) -> int:
        """A descriptor for what is laid; below zero: nothing. What its owner names is looked for with the owner's eyes."""
        _, source, options = layer
        if not source:
            return -1
        if options != AS_USER:
            return posix.open(source, posix.O_PATH | posix.O_CLOEXEC)
        if self.uid >= 0:
            posix.setgroups(self.groups)
            posix.setegid(self.gid)
            posix.seteuid(self.uid)
        try:
            return posix.open(source, posix.O_PATH | posix.O_CLOEXEC)
        except OSError:
            return -1
        finally:
            if self.uid >= 0:
                posix.seteuid(posix.getuid())
                posix.setegid(posix.getgid())

    def shared_memory(self, pid: int) -> int:
        """A descriptor for the command's own shared memory, to see how much there is; below zero: it has none."""
        if not any(target == SHARED_MEMORY for target, _, _ in self.layers):
            return -1
        try:
            return posix.open(f"/proc/{pid}/root{SHARED_MEMORY}", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:  # it has ended
            return -1


def join(init: int) -> None:
    """The mounts and the IPC of that process."""
    for name in ("ipc", "mnt"):  # its mounts last: in those it has another number
        fd = posix.open(f"/proc/{init}/ns/{name}", posix.O_RDONLY | posix.O_CLOEXEC)
        call("setns", fd, 0)
        posix.close(fd)


def furnish(folder: str) -> None:
    """Terminals of its own, and the names that lead to what each process has open."""
    posix.mkdir(f"{folder}/pts", 0o755)
    call("mount", b"devpts", f"{folder}/pts".encode(), b"devpts", MS_NOSUID | MS_NOEXEC, TERMINALS)
    for name, target in LINKS:
        posix.symlink(target, f"{folder}/{name}")


def lay(target: bytes, fd: int, options: bytes) -> None:
    make(target, fd < 0 or posix.fstat(fd).st_mode & KIND == FOLDER)
    if fd < 0:
        call("mount", b"none", target, b"tmpfs", MS_NOSUID | MS_NODEV, options)
    else:
        call("mount", b"/proc/self/fd/%d" % fd, target, None, MS_BIND | MS_REC, None)
        posix.close(fd)


def make(path: bytes, folder: bool) -> None:
    """What is laid over must be there; where it is not, the layer below is ours and empty."""
    try:
        posix.stat(path)
    except FileNotFoundError:
        make(path.rpartition(b"/")[0], True)
        if folder:
            posix.mkdir(path, 0o755)
        else:
            posix.close(posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o644))


def call(name: str, *arguments: object) -> None:
    """A function of the C library for which `posix` has none. Raises OSError."""

    class Int(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
        _type_ = "i"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | USE_ERRNO
        _restype_ = Int

    program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # as dlopen(3): this process itself
    if Function(_ctypes.dlsym(program, name))(*arguments) < 0:
        number = _ctypes.get_errno()
        raise OSError(number, f"{name}: {posix.strerror(number)}")
