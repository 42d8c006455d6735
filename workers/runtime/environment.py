"""The environment by which a command sees the share of the machine that is its own, and no more.

This is a convention that every training framework keeps, not a wall: a command that ignores it can still reach the rest.
"""

from collections.abc import Sequence

from workers.hardware.gpus import GpuDevice

THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def environment(*, cpus: int, gpus: Sequence[GpuDevice] = ()) -> dict[str, str]:
    """Variables that show exactly `gpus`, and let numeric libraries start as many threads as the job has CPUs."""
    threads = str(max(1, cpus))
    return {**dict.fromkeys(THREAD_COUNTS, threads), **visible_gpus(gpus)}


def visible_gpus(gpus: Sequence[GpuDevice]) -> dict[str, str]:
    """A GPU is named by its UUID, which no reordering can change. An empty list hides all: unset would show all."""
    indices = ",".join(str(gpu.index) for gpu in gpus)
    uuids = ",".join(gpu.uuid or str(gpu.index) for gpu in gpus)
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": uuids,
        "NVIDIA_VISIBLE_DEVICES": uuids or "void",  # read by container runtimes, for which empty means all
        "HIP_VISIBLE_DEVICES": indices,  # ROCR_VISIBLE_DEVICES on top of it would select twice
    }
