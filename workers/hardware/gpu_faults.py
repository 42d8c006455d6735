"""Errors that GPUs report by themselves (Xid), and which GPUs must not get work after them.

What each number means is in NVIDIA's Xid catalogue, https://docs.nvidia.com/deploy/xid-errors/. Those that a program can
bring about itself (13, 31, 43, 45, 68, 109 and the like) accuse no hardware and are not in here.
"""

import contextlib
import json
import logging
import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml

from workers.hardware.gpus import GpuDevice, driver

log = logging.getLogger(__name__)
WAIT_MS = 1000
RETRY_SECONDS = 30.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Xid:
    """What an error means, and whether a job on that GPU can still compute right."""

    words: str
    ends_job: bool = True


HARDWARE = {
    48: Xid("a memory error that could not be corrected"),
    62: Xid("its internal controller halted"),
    63: Xid("a row of its memory is to be replaced at its next reset", ends_job=False),
    64: Xid("a broken row of its memory could not be replaced"),
    74: Xid("an error of its NVLink"),
    79: Xid("it has fallen off the bus"),
    92: Xid("many errors of its memory had to be corrected", ends_job=False),
    94: Xid("a memory error that hit one program"),
    95: Xid("a memory error that may have hit every program"),
    119: Xid("its system processor does not answer"),
    120: Xid("its system processor failed"),
    140: Xid("a memory error that it did not recover from"),
    143: Xid("it could not be initialised"),
}


@dataclass(frozen=True, slots=True)
class GpuFault:
    """An error of the hardware of one GPU of this node."""

    index: int
    xid: int

    @property
    def ends_job(self) -> bool:
        return HARDWARE[self.xid].ends_job

    @property
    def sentence(self) -> str:
        return f"GPU {self.index} reported Xid {self.xid}: {HARDWARE[self.xid].words}."


class GpuFaults:
    """Listens to the driver in a thread of its own, and remembers which GPUs are out until the machine starts again.

    The file keeps that over restarts of the agent; an operator who has reset a GPU removes it.
    """

    def __init__(self, gpus: Sequence[GpuDevice], file: Path, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        self._file = file
        self._real = {gpu.uuid: gpu.index for gpu in gpus if not gpu.simulated}
        self._new: queue.SimpleQueue[GpuFault] = queue.SimpleQueue()
        known = self._saved().items()
        self._out = {self._real[uuid]: GpuFault(self._real[uuid], xid) for uuid, xid in known if uuid in self._real}
        self._closed = threading.Event()

    @property
    def out(self) -> Mapping[int, str]:
        """The GPUs that must not get work, and why."""
        return {index: fault.sentence for index, fault in self._out.copy().items()}

    def fatal(self, indices: Iterable[int]) -> GpuFault | None:
        """The first of these GPUs' errors that a job does not survive."""
        faults = (self._out.get(index) for index in indices)
        return next((fault for fault in faults if fault is not None and fault.ends_job), None)

    def start(self) -> None:
        """Listen from now on; a machine without real GPUs has nothing to listen to."""
        if self._real:
            threading.Thread(target=self._listen, name="gpu-faults", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def new_faults(self) -> list[GpuFault]:
        """What was reported since the last call."""
        found = []
        while not self._new.empty():
            found.append(self._new.get())
        return found

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with driver(self._nvml) as count:
                    self._wait_for_events(count)
            except self._nvml.NVMLError as error:
                log.warning("The driver does not tell of errors of its GPUs: %s", error)
            self._closed.wait(RETRY_SECONDS)

    def _wait_for_events(self, count: int) -> None:
        events = self._nvml.nvmlEventSetCreate()
        try:
            handles = [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
            for handle in handles:
                self._nvml.nvmlDeviceRegisterEvents(handle, self._nvml.nvmlEventTypeXidCriticalError, events)
            while handles and not self._closed.is_set():
                self._record_next(events)
        finally:
            self._nvml.nvmlEventSetFree(events)

    def _record_next(self, events: Any) -> None:
        try:
            event = self._nvml.nvmlEventSetWait_v2(events, WAIT_MS)
        except self._nvml.NVMLError as error:
            if getattr(error, "value", None) == self._nvml.NVML_ERROR_TIMEOUT:
                return
            raise
        if event.eventType == self._nvml.nvmlEventTypeXidCriticalError:
            self._record(self._nvml.nvmlDeviceGetUUID(event.device), int(event.eventData))

    def _record(self, uuid: str, xid: int) -> None:
        index = self._real.get(uuid)
        if index is None:
            return
        if xid not in HARDWARE:
            log.warning("GPU %d reported Xid %d, which accuses a program and not the GPU.", index, xid)
            return
        fault = GpuFault(index, xid)
        log.error("%s It gets no work until this machine is started again.", fault.sentence)
        self._out[index] = fault
        self._new.put(fault)
        self._save()

    def _save(self) -> None:
        uuids = {index: uuid for uuid, index in self._real.items()}
        found = {"boot": boot(), "out": {uuids[index]: fault.xid for index, fault in self._out.items()}}
        temporary = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk: then it is known until the agent ends
            temporary.write_text(json.dumps(found), encoding="utf-8")
            temporary.replace(self._file)

    def _saved(self) -> dict[str, int]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            known = {uuid: xid for uuid, xid in found["out"].items() if xid in HARDWARE}
            return known if found["boot"] == boot() else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def boot() -> str:
    """What tells one start of the machine from the next."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return f"{time.time() - time.monotonic():.0f}"
