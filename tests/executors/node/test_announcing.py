"""An agent says when it is up, with what it offers, and when it ends."""

from executors.node.announcing import Announced, offer
from workers.hardware.gpus import GpuDevice
from workers.hardware.inventory import Hardware


class Quiet:
    patience = 1.0

    def start(self): ...

    def drain(self): ...

    def close(self): ...

    def detach(self, within):  # noqa: ARG002  as the agent calls it
        return True


def test_coming_and_going_are_a_line_each():
    said: list[str] = []
    runner = Announced(Quiet(), said.append, name="n1", offers="8 CPUs")
    for turn in (runner.start, runner.drain, runner.close, runner.close):
        turn()
    assert said == ["node n1 is up: 8 CPUs", "node n1 has ended, and said goodbye"]


def test_one_that_leaves_says_that_its_jobs_run_on():
    said: list[str] = []
    runner = Announced(Quiet(), said.append, name="n1", offers="")
    runner.start()
    runner.detach(1)
    runner.close()
    assert said[1:] == ["node n1 leaves; what runs there runs on"]


def test_one_that_was_refused_says_nothing_of_an_end():
    said: list[str] = []
    Announced(Quiet(), said.append, name="n1", offers="").close()
    assert said == []


def test_an_offer_names_the_hardware_and_the_platform_without_its_passwords():
    gpu = GpuDevice(index=0, model="NVIDIA H100", memory_mb=81_559, uuid="", simulated=True)
    machine = Hardware(hostname="h", cpus=8, memory_mb=32_768, gpus=(gpu, gpu))
    urls = ["postgres://me:secret@db:5432/trainyard", "redis://:secret@broker/0"]
    words = "8 CPUs, 32 GB, 2 x NVIDIA H100 (simulated); the platform is at db:5432 and broker"
    assert offer(machine, urls) == words
