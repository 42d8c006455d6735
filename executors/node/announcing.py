"""What an agent tells whoever started it: that it is up, with what it offers and to whom, and that it has ended."""

from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from executors.celery_worker.bootstep import Runner
from workers.hardware.inventory import Hardware

MB_PER_GB = 1024
UNNAMED = ("", "simulated")


class Announced:
    """A runner whose coming and going is said, in a line each."""

    def __init__(self, runner: Runner, say: Callable[[str], object], *, name: str, offers: str) -> None:
        self._runner = runner
        self._say = say
        self._name = name
        self._offers = offers
        self._up = False

    @property
    def patience(self) -> float:
        return self._runner.patience

    def start(self) -> None:
        self._runner.start()
        self._up = True
        self._say(f"node {self._name} is up: {self._offers}")

    def drain(self) -> None:
        self._runner.drain()

    def close(self) -> None:
        self._runner.close()
        self._end("has ended, and said goodbye")

    def detach(self, within: float) -> bool:
        said = self._runner.detach(within)
        self._end("leaves; what runs there runs on")
        return said

    def _end(self, how: str) -> None:
        if self._up:
            self._up = False
            self._say(f"node {self._name} {how}")


def offer(hardware: Hardware, urls: Iterable[str]) -> str:
    """`8 CPUs, 32 GB, 2 x NVIDIA H100 (simulated); the platform is at db:5432 and broker:6379`."""
    models = Counter(("GPU" if gpu.model in UNNAMED else gpu.model, gpu.simulated) for gpu in hardware.gpus)
    gpus = [f"{count} x {model}{' (simulated)' if made_up else ''}" for (model, made_up), count in models.items()]
    machine = [f"{hardware.cpus} CPU{'' if hardware.cpus == 1 else 's'}", f"{hardware.memory_mb / MB_PER_GB:.4g} GB"]
    return f"{', '.join([*machine, *(gpus or ['no GPU'])])}; the platform is at {' and '.join(map(place, urls))}"


def place(url: str) -> str:
    """Host and port alone: what else stands in an address is nobody's to read."""
    parts = urlsplit(url)
    host = parts.hostname or "this machine"
    return f"{host}:{parts.port}" if parts.port else host
