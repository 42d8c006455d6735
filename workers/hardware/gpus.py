"""The NVIDIA GPUs of this machine, by their driver's own library. No driver, no GPUs: nothing to complain about."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pynvml

log = logging.getLogger(__name__)

MIB = 1024 * 1024
CORE_SENSOR, UNCORRECTED, SINCE_LOADED = 0, 1, 0
"""NVML's numbers: of the chip; of memory errors; of counters that begin with the driver."""


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """One GPU. A simulated one is only a number to schedule with: no process can compute on it."""

    index: int
    model: str
    memory_mb: int
    uuid: str = ""
    simulated: bool = False


def detect_gpus(visible: str | None = None, nvml: Any = pynvml) -> tuple[GpuDevice, ...]:
    """The GPUs in the order of their PCI bus ids; of those only the `visible` ones, written as CUDA_VISIBLE_DEVICES is."""
    with driver(nvml) as count:
        found = [describe(nvml, index) for index in range(count)]
    return tuple(gpu for gpu in found if gpu is not None and is_visible(gpu, visible))


def file_numbers(gpus: Sequence[GpuDevice], nvml: Any = pynvml) -> dict[int, int] | None:
    """By the index of each real GPU the N of its file, /dev/nvidiaN; None where the driver does not tell of all."""
    real = {gpu.uuid: gpu.index for gpu in gpus if not gpu.simulated}
    found: dict[int, int] = {}
    if not real:
        return found
    with driver(nvml) as count:
        for position in range(count):
            with contextlib.suppress(nvml.NVMLError):
                handle = nvml.nvmlDeviceGetHandleByIndex(position)
                index = real.get(nvml.nvmlDeviceGetUUID(handle))
                if index is not None:
                    found[index] = int(nvml.nvmlDeviceGetMinorNumber(handle))
    return found if len(found) == len(real) else None


class GpuLoads:
    """How busy GPUs are, asked in a thread of its own: a driver that hangs must not hold up the node's heartbeat."""

    def __init__(self, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        self._thread = threading.Thread()
        self._starting = threading.Lock()
        self._latest: list[dict[str, int]] = []

    def latest(self, gpus: Sequence[GpuDevice], patience: float = 1.0) -> list[dict[str, int]]:
        """What `load_of` says of each GPU that is real and answers; none while the driver hangs. From any thread."""
        real = {gpu.uuid: gpu.index for gpu in gpus if not gpu.simulated}
        if not real:
            return []
        with self._starting:
            if not self._thread.is_alive():
                self._thread = threading.Thread(target=self._query_driver, args=(real,), name="gpu-loads", daemon=True)
                self._thread.start()
            asked = self._thread
        asked.join(patience)
        return [] if asked.is_alive() else self._latest

    def _query_driver(self, real: Mapping[str, int]) -> None:
        with driver(self._nvml) as count:
            loads = [load_of(self._nvml, index) for index in range(count)]
        self._latest = [{"index": real[uuid], **load} for uuid, load in filter(None, loads) if uuid in real]


@contextlib.contextmanager
def driver(nvml: Any) -> Iterator[int]:
    """How many GPUs the driver knows, for as long as the block lasts."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        yield 0
        return
    try:
        yield device_count(nvml)
    finally:
        nvml.nvmlShutdown()


def device_count(nvml: Any) -> int:
    try:
        return int(nvml.nvmlDeviceGetCount())
    except nvml.NVMLError:
        return 0


def describe(nvml: Any, index: int) -> GpuDevice | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory_mb = nvml.nvmlDeviceGetMemoryInfo(handle).total // MIB
        return GpuDevice(index, nvml.nvmlDeviceGetName(handle), memory_mb, nvml.nvmlDeviceGetUUID(handle))
    except nvml.NVMLError as error:
        log.warning("GPU %d is left out, its driver says: %s", index, error)
        return None


def load_of(nvml: Any, index: int) -> tuple[str, dict[str, int]] | None:
    """By its UUID: use in percent, memory in MB, power in mW, heat in degrees; since its driver was loaded energy in mJ, lost memory.

    What a GPU does not tell is not there: older ones do not count energy, one in parts has no use as a whole. `ecc_errors` are
    those that could not be corrected.
    """
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, used_mb = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetMemoryInfo(handle).used // MIB
    except nvml.NVMLError:
        return None  # a GPU that fell off the bus
    figures = {
        "utilisation": _figure(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "memory_used_mb": used_mb,
        "energy_mj": _figure(nvml, lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
        "power_mw": _figure(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle)),
        "temperature_c": _figure(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, CORE_SENSOR)),
        "ecc_errors": _figure(nvml, lambda: nvml.nvmlDeviceGetTotalEccErrors(handle, UNCORRECTED, SINCE_LOADED)),
    }
    return uuid, {name: value for name, value in figures.items() if value is not None}


def _figure(nvml: Any, ask: Callable[[], int]) -> int | None:
    try:
        return int(ask())
    except nvml.NVMLError:
        return None


def is_visible(gpu: GpuDevice, visible: str | None) -> bool:
    """Whether CUDA would show it: unset shows all, an empty text none, a UUID may be cut short."""
    if visible is None:
        return True
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return any(name == str(gpu.index) or (name.startswith("GPU-") and gpu.uuid.startswith(name)) for name in names)
