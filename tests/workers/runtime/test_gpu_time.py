"""How much the GPUs of a command worked."""

from workers.runtime.gpu_time import GpuTime


def test_the_time_between_two_looks_counts_by_the_load_at_the_second():
    time = GpuTime()
    for now, loads in ((0.0, [100, 100]), (2.0, [50, 0]), (4.0, [100])):
        time.look(now, loads)
    assert (time.measured, time.busy) == (6.0, 3.0)


def test_of_a_time_without_a_look_nothing_is_known():
    time = GpuTime()
    for now in (0.0, 3600.0, 3600.0, 3602.0):
        time.look(now, [100])
    assert (time.measured, time.busy) == (2.0, 2.0)
