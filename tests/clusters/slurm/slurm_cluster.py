"""A real Slurm on this machine: database, controller, REST with JWT and a few nodes with GPUs that are none.

`make slurm` unpacks the programs of two releases; without them, or without root, what needs them is skipped. Nodes are
processes (`slurmd -N`) that claim more than the machine has. Nothing is fenced by cgroups: what a job may use Slurm
counts here, and does not enforce.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from local_stack.servers.ports import LOOPBACK, answers, pick_free
from tests.architecture import source
from tests.waiting import wait_for

RELEASES = ("22.05", "24.11")
FOLDER = source.ROOT / ".venv/slurm"
GPU_TYPE = "h100"
NOBODY = 65534

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld}
SlurmUser=root
SlurmdUser=root
PluginDir={plugins}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/etc/jwt.key
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1,sched_interval=2
PriorityType=priority/multifactor
PriorityCalcPeriod=1
MinJobAge={min_job_age}
KillWait=2
SlurmdTimeout=10
InactiveLimit=0
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={slurmdbd}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
NodeName=DEFAULT CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=64000 Gres=gpu:h100:8 Feature=fast,rack1 State=UNKNOWN
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=100
PartitionName=short Nodes=n1 MaxTime=1 State=UP DefMemPerCPU=100
"""
DATABASE = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/etc/jwt.key
PluginDir={plugins}
DbdHost=localhost
DbdPort={slurmdbd}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadbd}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""
GRANTS = """create database if not exists slurm_acct_db; create user if not exists slurm@localhost identified by 'slurm';
create user if not exists slurm@127.0.0.1 identified by 'slurm';
grant all on slurm_acct_db.* to slurm@localhost; grant all on slurm_acct_db.* to slurm@127.0.0.1;"""


class SlurmCluster:
    """What it started ends with it. Its daemons may be killed and started again by their names."""

    def __init__(self, folder: Path, release: str, *, nodes: int = 3, min_job_age: int = 300) -> None:
        self.release, self.folder, self.nodes = release, folder, [f"n{number + 1}" for number in range(nodes)]
        self.installed = FOLDER / release
        self.min_job_age = min_job_age
        names = ("slurmctld", "slurmdbd", "mariadbd", "slurmrestd", *self.nodes)
        self.ports = dict(zip(names, distinct_ports(len(names)), strict=True))
        self.url = f"http://{LOOPBACK}:{self.ports['slurmrestd']}"
        self.shared = folder / "shared"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM")},
            "SLURM_CONF": str(folder / "etc/slurm.conf"),
            "PATH": f"{self.installed / 'programs'}:{os.environ['PATH']}",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Returns when every node is idle and REST answers."""
        self._write_configuration()
        for name in ("munged", "mariadbd", "slurmdbd"):
            self.start_daemon(name)
        self.command("sacctmgr", "-i", "add", "cluster", "test", check=False)
        self.command("sacctmgr", "-i", "add", "account", "research", "Description=tests", check=False)
        self.command("sacctmgr", "-i", "add", "user", "root", "account=research", check=False)
        self.command("sacctmgr", "-i", "modify", "user", "root", "set", "DefaultAccount=research", check=False)
        self.start_daemon("slurmctld")
        for name in (*self.nodes, "slurmrestd"):
            self.start_daemon(name)
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        def all_up() -> bool:
            return len(
                self.command("sinfo", "-h", "-N", "-p", "main", "-t", "idle,mixed,allocated", "-o", "%N").split()
            ) == len(self.nodes)

        wait_for(all_up, 60, f"{len(self.nodes)} nodes, see {self.folder}/log")

    def command(self, *words: str, check: bool = True, text: str = "") -> str:
        """What one of Slurm's own commands printed. Fails with what it had to say."""
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, timeout=60, check=False, env=self.environment
        )
        assert not check or done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def token(self, user: str = "root", lifespan: float = 3600) -> str:
        """As `scontrol token` makes it; one of the past with a lifespan below zero."""
        now = int(time.time())
        claims = json.dumps({"iat": now - 7200, "exp": int(now + lifespan), "sun": user}).encode()
        message = b".".join(_encoded(part) for part in (b'{"alg":"HS256","typ":"JWT"}', claims))
        key = (self.folder / "etc/jwt.key").read_bytes()
        return (message + b"." + _encoded(hmac.new(key, message, hashlib.sha256).digest())).decode()

    def start_daemon(self, name: str) -> None:
        """Start it and return once it listens."""
        program, *options = self._command_of(name)
        environment, user = dict(self.environment), None
        if name == "slurmrestd":  # it refuses to be root, or Slurm's own user
            environment["SLURM_JWT"], user = "daemon", NOBODY
        with (self.folder / "log" / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [self.installed / "programs" / program, *options], stdout=output, stderr=output, env=environment,
                start_new_session=True, user=user, group=user, extra_groups=None if user is None else [],
            )  # fmt: skip
        wait_for(lambda: self._listens(name), 60, f"{name}, see {self.folder}/log/{name}.log")
        if name == "mariadbd":
            self._database_client(GRANTS)

    def kill(self, name: str) -> None:
        """As when its machine loses power, but that job steps of a node's daemon live on."""
        self._end(name, signal.SIGKILL)

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start_daemon(name)

    def stop(self) -> None:
        for name in reversed(list(self._processes)):
            self._end(name, signal.SIGKILL)
        self._end_steps()

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.send_signal(number)
            process.wait(20)

    def _end_steps(self) -> None:
        """Steps outlive their daemon: those of this cluster, and what they run."""
        wait_for(lambda: not self._kill_steps(), 20, "the steps of Slurm to end")

    def _kill_steps(self) -> bool:
        """Whether there were any. What a step runs goes before it: by the step it is found."""
        steps = self.steps()
        for step in steps:
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in (*step.children(recursive=True), step):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
        return bool(steps)

    def steps(self) -> list[psutil.Process]:
        """Known by the socket that each has in the spool of its node: what their environment says they hide, or clear."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any("slurmstepd" in word for word in process.cmdline()) and any(
                    str(socket_of.laddr).startswith(f"{self.folder}/") for socket_of in process.net_connections("unix")
                ):
                    found.append(process)
        return found

    def _command_of(self, name: str) -> Sequence[str]:
        folder = self.folder
        if name == "munged":
            files = [f"--{what}={folder}/munge/{what}" for what in ("key-file", "pid-file", "log-file", "seed-file")]
            return ["munged", "-F", "--num-threads=4", "-S", f"{folder}/munge.socket", *files]
        if name == "mariadbd":
            return [
                "mariadbd", "--no-defaults", "--user=root", f"--datadir={folder}/mysql", f"--socket={folder}/mysql.socket",
                f"--pid-file={folder}/run/mysql.pid", "--bind-address=127.0.0.1", f"--port={self.ports['mariadbd']}",
                f"--lc-messages-dir={self._database_share()}", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0",
                "--plugin-maturity=unknown", "--skip-name-resolve=0",
            ]  # fmt: skip
        if name == "slurmrestd":
            return ["slurmrestd", "-a", "rest_auth/jwt", f"{LOOPBACK}:{self.ports['slurmrestd']}"]
        if name in self.nodes:
            return ["slurmd", "-D", "-N", name, "-d", str(self.installed / "programs/slurmstepd")]
        return [name, "-D"]

    def _listens(self, name: str) -> bool:
        process = self._processes[name]
        assert process.poll() is None, f"{name} ended at once, see {self.folder}/log/{name}.log"
        if name == "munged":
            return (self.folder / "munge.socket").exists()
        return answers(self.ports[name])

    def _database_share(self) -> Path:
        return next(
            path for path in (self.installed / "usr/share").glob("m*") if (path / "english/errmsg.sys").exists()
        )

    def _database_client(self, statements: str) -> None:
        socket_option = f"--socket={self.folder}/mysql.socket"
        self.command("mariadb", "--no-defaults", socket_option, "-uroot", text=statements)

    def _write_configuration(self) -> None:
        for name in (
            "etc",
            "run",
            "log",
            "state",
            "spool",
            "mysql",
            "munge",
            "gpu",
            "shared",
            *(f"spool/{node}" for node in self.nodes),
        ):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "munge").chmod(0o700)
        (self.folder / "shared").chmod(0o1777)
        etc = self.folder / "etc"
        for path, size in ((self.folder / "munge/key-file", 1024), (etc / "jwt.key", 32)):
            path.write_bytes(secrets.token_bytes(size))
            path.chmod(0o400)
        for index in range(8):
            os.mknod(self.folder / f"gpu/gpu{index}", stat.S_IFCHR | 0o600, os.makedev(1, 3))  # as /dev/null
        host = socket.gethostname().partition(".")[0]
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.ports[name]}" for name in self.nodes
        ]
        plugins = next(self.installed.glob("usr/lib/*/slurm-wlm"))
        words = {
            **self.ports,
            "folder": self.folder,
            "host": host,
            "plugins": plugins,
            "nodes": "\n".join(lines),
            "min_job_age": self.min_job_age,
        }
        (etc / "slurm.conf").write_text(CONFIGURATION.format(**words))
        (etc / "slurmdbd.conf").write_text(DATABASE.format(**words))
        (etc / "slurmdbd.conf").chmod(0o600)
        (etc / "gres.conf").write_text(
            f"NodeName={','.join(self.nodes)} Name=gpu Type={GPU_TYPE} File={self.folder}/gpu/gpu[0-7]\n"
        )
        (etc / "cgroup.conf").write_text("CgroupPlugin=disabled\n" if self.release != "22.05" else "# unused\n")
        self._make_database()

    def _make_database(self) -> None:
        tables = [
            *self._database_share().glob("*_system_tables.sql"),
            *self._database_share().glob("*_system_tables_data.sql"),
        ]
        statements = "create database mysql;\nuse mysql;\n" + "\n".join(path.read_text() for path in tables)
        command: list[str | Path] = [
            self.installed / "programs/mariadbd", "--no-defaults", "--bootstrap", "--user=root", f"--datadir={self.folder}/mysql",
            f"--lc-messages-dir={self._database_share()}", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0",
        ]  # fmt: skip
        with (self.folder / "log/bootstrap.log").open("wb") as output:
            subprocess.run(command, input=statements.encode(), stdout=output, stderr=output, check=True, timeout=60)


def distinct_ports(number: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(pick_free())
    return list(ports)


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def why_absent(release: str) -> str:
    """Why no cluster of this release can be started here; empty if one can."""
    missing, rights = "", ""
    if not (FOLDER / release / "programs/slurmctld").exists():
        missing = f"There is no Slurm {release} here: `make slurm` unpacks it from Debian's packages, in half a minute."
    if os.geteuid() != 0:
        rights = "Slurm's daemons want to be root: slurmrestd refuses to be the same user as the controller. Run this as root."
    return f"{missing} {rights}".strip()


@contextmanager
def slurm_cluster(
    release: str, *, nodes: int = 3, min_job_age: int = 300, keep_logs: Path | None = None
) -> Iterator[SlurmCluster]:
    """A cluster that runs. Its folder is one that slurmrestd, which is nobody, can read; its logs may outlive it."""
    if reason := why_absent(release):
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="trainyard-slurm-"))
    folder.chmod(0o755)
    cluster = SlurmCluster(folder, release, nodes=nodes, min_job_age=min_job_age)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        if keep_logs is not None:
            shutil.copytree(folder / "log", keep_logs)
        shutil.rmtree(folder, ignore_errors=True)
