"""What a Slurm tells of its jobs, nodes and partitions, read from the JSON of any version of its API and of its commands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.slurm.names import Gres, gres, hosts

Data = Mapping[str, Any]
ENDED_STATES = frozenset(
    ["BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"]
)  # fmt: skip
UNKNOWN_TIME = 2**32 - 2
KIB = 1024


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """One job as the controller knows it."""

    job_id: int
    name: str
    state: str
    """The base state: PENDING, RUNNING, COMPLETED ..."""
    flags: frozenset[str] = frozenset()
    """What goes with it: COMPLETING, REQUEUED, ..."""
    reason: str = ""
    description: str = ""
    comment: str = ""
    user: str = ""
    account: str = ""
    partition: str = ""
    output: str = ""
    """The file that its standard output goes to."""
    nodes: tuple[str, ...] = ()
    submitted: float | None = None
    start: float | None = None
    end: float | None = None
    exit_code: int | None = None
    signal: int = 0
    limit_minutes: int | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED_STATES and "COMPLETING" not in self.flags


@dataclass(frozen=True, slots=True)
class AccountedJob:
    """One job as slurmdbd has it: with what it used, if a plugin gathered that."""

    job: SlurmJob
    elapsed: float | None = None
    peak_memory_mb: int | None = None
    cpu_seconds: float | None = None
    joules: float | None = None
    killed_by: str = ""


@dataclass(frozen=True, slots=True)
class SlurmNode:
    """One node: what it has, how it is, what is allocated there to anybody."""

    name: str
    address: str
    cpus: int
    memory_mb: int
    gres: tuple[Gres, ...]
    gres_used: tuple[Gres, ...]
    features: tuple[str, ...]
    partitions: tuple[str, ...]
    states: frozenset[str]
    reason: str
    allocated_cpus: int
    allocated_memory_mb: int


@dataclass(frozen=True, slots=True)
class SlurmPartition:
    """`max_minutes` and `default_minutes` are None where there is no limit."""

    name: str
    state: str
    nodes: tuple[str, ...]
    max_minutes: int | None
    default_minutes: int | None


def job(data: Data) -> SlurmJob:
    """Of `/slurm/.../jobs` and `squeue --json`."""
    state, flags = _states(data.get("job_state"))
    code, signal = _exit(data.get("exit_code"))
    return SlurmJob(
        job_id=number(data.get("job_id")) or 0,
        name=str(data.get("name") or ""),
        state=state,
        flags=flags,
        reason=_said(data.get("state_reason")),
        description=_said(data.get("state_description")),
        comment=str(data.get("comment") or ""),
        user=str(data.get("user_name") or ""),
        account=str(data.get("account") or ""),
        partition=str(data.get("partition") or ""),
        output=str(data.get("standard_output") or ""),
        nodes=tuple(hosts(str(data.get("nodes") or ""))),
        submitted=_moment(data.get("submit_time")),
        start=_moment(data.get("start_time")),
        end=_moment(data.get("end_time")),
        exit_code=code,
        signal=signal,
        limit_minutes=_minutes(data.get("time_limit")),
    )


def accounted_job(data: Data) -> AccountedJob:
    """Of `/slurmdb/.../jobs` and `sacct --json`."""
    times = data.get("time") or {}
    state, flags = _states((data.get("state") or {}).get("current"))
    code, signal = _exit(data.get("exit_code"))
    nodes = str(data.get("nodes") or "")
    bare = SlurmJob(
        job_id=number(data.get("job_id")) or 0,
        name=str(data.get("name") or ""),
        state=state,
        flags=flags,
        reason=_said((data.get("state") or {}).get("reason")),
        user=str((data.get("association") or {}).get("user") or ""),
        account=str(data.get("account") or ""),
        partition=str(data.get("partition") or ""),
        nodes=() if nodes == "None assigned" else tuple(hosts(nodes)),
        submitted=_moment(times.get("submission")),
        start=_moment(times.get("start")),
        end=_moment(times.get("end")),
        exit_code=code,
        signal=signal,
        limit_minutes=_minutes(times.get("limit")),
    )
    steps = data.get("steps") or ()
    # Of the whole job nothing while its steps are not summed up: by 22.05 never.
    seconds = max(_seconds(times.get("total")), sum(_seconds((step.get("time") or {}).get("total")) for step in steps))
    energy = [count for step in steps if (count := _used(step, "energy", "total"))]
    memory = [count for step in steps if (count := _used(step, "mem", "max"))]
    return AccountedJob(
        job=bare,
        elapsed=_float(times.get("elapsed")),
        peak_memory_mb=max(memory) // KIB**2 if memory else None,
        cpu_seconds=seconds or None,
        joules=float(sum(energy)) if energy else None,
        killed_by=str(data.get("kill_request_user") or ""),
    )


def node(data: Data) -> SlurmNode:
    """Of `/slurm/.../nodes`, `sinfo --json` (22.05) and `scontrol show nodes --json` (from 23.02 on)."""
    said = data.get("state")
    states = {str(one).upper() for one in ([said] if isinstance(said, str) else said or ())}
    states |= {str(one).upper() for one in data.get("state_flags") or ()}
    return SlurmNode(
        name=str(data.get("name") or ""),
        address=str(data.get("address") or ""),
        cpus=number(data.get("cpus")) or 0,
        memory_mb=number(data.get("real_memory")) or 0,
        gres=tuple(gres(str(data.get("gres") or ""))),
        gres_used=tuple(gres(str(data.get("gres_used") or ""))),
        features=_words(data.get("active_features") or data.get("features")),
        partitions=_words(data.get("partitions")),
        states=frozenset(states),
        reason=_said(data.get("reason")),
        allocated_cpus=number(data.get("alloc_cpus")) or 0,
        allocated_memory_mb=number(data.get("alloc_memory")) or 0,
    )


def partition(data: Data) -> SlurmPartition:
    """Of `/slurm/.../partitions`; `scontrol show partitions --json` gives the same from 23.02 on."""
    newer = data.get("maximums") or {}
    said = data.get("nodes")
    state = data.get("state") or (data.get("partition") or {}).get("state")
    return SlurmPartition(
        name=str(data.get("name") or ""),
        state=" ".join(state) if isinstance(state, list) else str(state or "UP"),
        nodes=tuple(hosts(str((said.get("configured") if isinstance(said, Mapping) else said) or ""))),
        max_minutes=_minutes(newer.get("time", data.get("max_time_limit"))),
        default_minutes=_minutes((data.get("defaults") or {}).get("time", data.get("default_time_limit"))),
    )


def number(value: Any) -> int | None:
    """A number as any version writes it: plain, or with words on whether it is set or infinite."""
    if isinstance(value, Mapping):
        if value.get("infinite") or not value.get("set", True):
            return None
        value = value.get("number", value.get("value"))
    if isinstance(value, str):
        value = int(value) if value.lstrip("-").isdigit() else None
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _float(value: Any) -> float | None:
    found = number(value)
    return None if found is None else float(found)


def _minutes(value: Any) -> int | None:
    found = number(value)
    return found if found is not None and 0 < found < UNKNOWN_TIME else None


def _moment(value: Any) -> float | None:
    found = number(value)
    return float(found) if found is not None and 0 < found < UNKNOWN_TIME else None


def _said(value: Any) -> str:
    return "" if value in (None, "None", "(null)") else str(value).strip()


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    return tuple(str(word) for word in value or () if word and word != "(null)")


def _states(value: Any) -> tuple[str, frozenset[str]]:
    """The base state and the flags beside it."""
    words: Iterable[str] = [value] if isinstance(value, str) else value or ["UNKNOWN"]
    first, *rest = [str(word).upper() for word in words]
    known = next(
        (word for word in (first, *rest) if word in ENDED_STATES or word in {"PENDING", "RUNNING", "SUSPENDED"}), first
    )
    return known, frozenset({first, *rest} - {known})


def _exit(value: Any) -> tuple[int | None, int]:
    """Exit code and signal: of a raw wait status, or of one that was taken apart."""
    if isinstance(value, Mapping):
        signal = value.get("signal") or {}
        return number(value.get("return_code")), number(signal.get("id", signal.get("signal_id"))) or 0
    status = number(value)
    if status is None or not 0 <= status < UNKNOWN_TIME:
        return None, 0
    return status >> 8, status & 0x7F


def _seconds(value: Any) -> float:
    said = value or {}
    return (number(said.get("seconds")) or 0) + (number(said.get("microseconds")) or 0) / 1e6


def _used(step: Data, kind: str, what: str) -> int:
    """Of a step's TRES: `requested.max` holds what its hungriest task used, in spite of the name."""
    said = ((step.get("tres") or {}).get("requested") or {}).get(what) or ()
    return max((number(one.get("count")) or 0 for one in said if one.get("type") == kind), default=0)
