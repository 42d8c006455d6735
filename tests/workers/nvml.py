"""A stand-in for NVIDIA's driver library, with the calls that the agent makes."""

import queue
import threading
from types import SimpleNamespace

from workers.hardware.gpus import GpuDevice

MIB = 2**20


class NvmlError(Exception):
    def __init__(self, words: str, value: int = 999) -> None:
        super().__init__(words)
        self.value = value


class Driver:
    """NVML with so many GPUs; those in `broken` have fallen off the bus."""

    NVMLError = NvmlError
    NVML_ERROR_TIMEOUT = 10
    nvmlEventTypeXidCriticalError = 8  # noqa: N815  NVML's names

    def __init__(self, gpus: int, broken: tuple[int, ...] = (), loaded: bool = True) -> None:
        self.gpus, self.broken, self.loaded = gpus, broken, loaded
        self.open = 0
        self.answers = threading.Event()
        self.answers.set()
        self.running: dict[int, list[int]] = {}
        self.registered: list[int] = []
        self.events: queue.SimpleQueue[SimpleNamespace] = queue.SimpleQueue()
        self.lost = threading.Event()
        self.energy: dict[int, int] = {}  # in mJ, of those that count it
        self.power: dict[int, int] = {}  # in mW, of those that measure it
        self.temperature: dict[int, int] = {}
        self.minors: dict[int, int] = {}  # of those that tell
        self.ecc_errors: dict[int, int] = {}  # of those that have ECC

    def xid(self, gpu: int, number: int, event_type: int = 8) -> None:
        """The GPU reports an error."""
        self.events.put(SimpleNamespace(device=gpu, eventType=event_type, eventData=number))

    def nvmlInit(self):  # noqa: N802
        if not self.loaded:
            raise NvmlError("driver not loaded")
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        if self.gpus < 0:
            raise NvmlError("unknown error")
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index in self.broken:
            raise NvmlError("GPU is lost")
        return index

    def nvmlDeviceGetName(self, _):  # noqa: N802
        return "NVIDIA H100"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=81559 * MIB, used=(handle + 1) * 1000 * MIB)

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}abc"

    def nvmlDeviceGetMinorNumber(self, handle):  # noqa: N802
        return self._supported(self.minors, handle)

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        self.answers.wait()
        return SimpleNamespace(gpu=10 * handle)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return self._supported(self.energy, handle)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return self._supported(self.power, handle)

    def nvmlDeviceGetTemperature(self, handle, sensor):  # noqa: N802
        assert sensor == 0
        return self._supported(self.temperature, handle)

    def nvmlDeviceGetTotalEccErrors(self, handle, kind, counter):  # noqa: N802
        assert (kind, counter) == (1, 0)
        return self._supported(self.ecc_errors, handle)

    def _supported(self, figures, handle):
        if handle not in figures:
            raise NvmlError("not supported", 3)
        return figures[handle]

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=pid) for pid in self.running.get(handle, [])]

    def nvmlEventSetCreate(self):  # noqa: N802
        return "events"

    def nvmlEventSetFree(self, _):  # noqa: N802
        self.registered.clear()

    def nvmlDeviceRegisterEvents(self, handle, types, _):  # noqa: N802
        assert types == self.nvmlEventTypeXidCriticalError
        self.registered.append(handle)

    def nvmlEventSetWait_v2(self, _, __):  # noqa: N802
        if self.lost.is_set():
            raise NvmlError("GPU is lost", 15)
        try:
            return self.events.get(timeout=0.02)
        except queue.Empty:
            raise NvmlError("timeout", self.NVML_ERROR_TIMEOUT) from None


def gpu(index: int, *, simulated: bool = False) -> GpuDevice:
    return GpuDevice(index, "NVIDIA H100", 81559, f"GPU-{index}abc", simulated)
