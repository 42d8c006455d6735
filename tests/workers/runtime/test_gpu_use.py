"""How much the GPUs of a command work, and what energy they use."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.gpu_use import GpuUse


def load(index=0, **figures):
    return {"index": index, **figures}


def looked(use, *looks):
    for now, *loads in looks:
        use.look(now, loads)
    return use


def working(*percents):
    return [load(index, utilisation=percent) for index, percent in enumerate(percents)]


def test_the_time_between_two_looks_counts_by_the_load_at_the_second():
    use = looked(GpuUse(2), (0.0, *working(100, 100)), (2.0, *working(50, 0)), (4.0, *working(100)))
    assert (use.measured, use.busy, use.idle) == (6.0, 3.0, 2.0)


def test_of_a_time_without_a_look_nothing_is_known():
    use = looked(GpuUse(1), *((now, *working(100)) for now in (0.0, 3600.0, 3600.0, 3602.0)))
    assert (use.measured, use.busy) == (2.0, 2.0)


def test_a_gpu_below_a_few_percent_is_idle_and_its_last_work_is_remembered():
    use = looked(GpuUse(2), (0.0, *working(0, 4)), (2.0, *working(0, 5)), (4.0, *working(4, 0)), (6.0, *working(0, 0)))
    assert (use.active_at, use.measured_at, use.idle) == (2.0, 6.0, 5 * 2.0)


def test_gpus_that_have_never_worked_are_idle_since_they_were_first_looked_at():
    assert looked(GpuUse(1), (3.0, *working(0)), (5.0, *working(0))).active_at == 3.0


def test_while_nobody_tells_nothing_is_said_of_idleness():
    use = looked(GpuUse(1), (0.0, *working(0)), (2.0,), (30.0,))
    assert use.measured_at == 0.0


def test_a_time_in_which_nobody_looked_is_no_idle_time():
    use = looked(GpuUse(1), (0.0, *working(0)), (2.0, *working(0)), (3600.0, *working(0)), (3605.0, *working(0)))
    assert (use.active_at, use.measured_at) == (3600.0, 3605.0)


def test_who_stands_still_because_that_is_wished_counts_as_active():
    use = GpuUse(1)
    for now in (0.0, 2.0):
        use.look(now, working(0), excused=True)
    assert (use.active_at, use.idle) == (2.0, 2.0)


def test_memory_is_the_most_on_all_of_them_at_once():
    both = [load(0, memory_used_mb=5), load(1, memory_used_mb=7)]
    assert looked(GpuUse(2), (0.0, *both), (2.0, load(0, memory_used_mb=9))).peak_memory_mb == 12


def test_energy_is_the_difference_of_the_counters_also_over_a_time_without_a_look():
    use = looked(GpuUse(1), (0.0, load(energy_mj=5_000)), (2.0, load(energy_mj=6_000)), (900.0, load(energy_mj=9_500)))
    assert use.energy(900.0) == (4.5, False)


def test_a_gpu_without_a_counter_is_integrated_by_its_power_where_it_was_looked_at():
    use = looked(GpuUse(1), *((now, load(power_mw=100_000)) for now in (0.0, 2.0, 4.0)))
    assert use.energy(4.0) == (400.0, False)
    looked(use, (500.0, load(power_mw=100_000)))
    assert use.energy(500.0) == (400.0, True)


def test_a_counter_that_begins_anew_makes_it_less_than_all():
    use = looked(GpuUse(1), (0.0, load(energy_mj=8_000)), (2.0, load(energy_mj=100)), (4.0, load(energy_mj=1_100)))
    assert use.energy(4.0) == (1.0, True)


@pytest.mark.parametrize("loads", [(), working(50)], ids=["nothing", "no energy"])
def test_energy_that_nobody_measures_is_not_nothing(loads):
    assert looked(GpuUse(1), (0.0, *loads), (2.0, *loads)).energy(2.0) == (None, True)


def test_one_gpu_of_two_that_counts_is_less_than_all():
    use = looked(GpuUse(2), (0.0, load(energy_mj=0)), (2.0, load(energy_mj=1_000)))
    assert use.energy(2.0) == (1.0, True)


def test_a_driver_that_falls_silent_before_the_end_is_seen():
    use = looked(GpuUse(1), (0.0, load(energy_mj=0)), (2.0, load(energy_mj=1_000)), (90.0,))
    assert use.energy(90.0) == (1.0, True)


def test_a_part_of_a_gpu_has_its_part_of_the_energy():
    use = looked(GpuUse(1, share=0.25), (0.0, load(energy_mj=0)), (2.0, load(energy_mj=1_000)))
    assert use.energy(2.0) == (0.25, False)


looks = st.lists(st.tuples(st.floats(0.1, 50), st.integers(0, 100), st.integers(0, 10**6)), min_size=1, max_size=20)


@given(looks, st.integers(0, 20))
def test_the_next_agent_goes_on_as_if_nothing_had_happened(steps, restart):
    whole, broken, now, counter = GpuUse(1), GpuUse(1), 0.0, 0
    for number, (seconds, percent, used) in enumerate(steps):
        now, counter = now + seconds, counter + used
        if number == restart:
            broken = GpuUse.from_data(json.loads(json.dumps(broken.as_data())))
        for use in (whole, broken):
            use.look(now, [load(utilisation=percent, energy_mj=counter, memory_used_mb=used)])
    assert whole == broken
    assert whole.busy <= whole.measured + 1e-9
    assert whole.idle <= whole.measured
    assert whole.energy(now)[0] in (None, pytest.approx((counter - steps[0][2]) / 1000))


def test_of_gpus_of_which_one_tells_nothing_nobody_says_that_they_idle():
    use = looked(GpuUse(2), *((float(second), load(utilisation=0)) for second in range(0, 600, 30)))
    assert (use.active_at, use.measured_at) == (None, None)
