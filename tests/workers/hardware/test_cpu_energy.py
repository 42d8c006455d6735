"""Counters of the processors' energy, as the kernel shows them in files."""

from pathlib import Path

import pytest
from django.conf import settings

from workers.hardware.cpu_energy import Counter, joules_between, read_packages


@pytest.fixture
def powercap(tmp_path):
    def zone(name: str, kind: str, energy: str = "5", most: str = "1000000") -> None:
        folder = tmp_path / name
        folder.mkdir()
        for file, text in (("name", kind), ("energy_uj", energy), ("max_energy_range_uj", most)):
            (folder / file).write_text(f"{text}\n")

    zone("intel-rapl:0", "package-0", "2000000", "262143328850")
    zone("intel-rapl:0:0", "core")
    zone("intel-rapl:1", "package-1", "3000000", "262143328850")
    zone("intel-rapl:2", "psys")
    zone("dtpm", "package-9")
    return tmp_path


def test_packages_count_and_neither_their_parts_nor_the_platform_around_them(powercap):
    assert read_packages(powercap) == {
        "intel-rapl:0": Counter(2_000_000, 262_143_328_850), "intel-rapl:1": Counter(3_000_000, 262_143_328_850),
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["unreadable", "empty", "words"])
def test_what_cannot_be_read_whole_is_not_read_at_all(powercap, damage):
    counter = powercap / "intel-rapl:1" / "energy_uj"
    counter.unlink()
    if damage == "unreadable":  # for root as well, as a file without rights is not
        counter.mkdir()
    else:
        counter.write_text("" if damage == "empty" else "many\n")
    assert read_packages(powercap) == {}


def test_a_machine_without_counters_has_none(tmp_path):
    assert read_packages(tmp_path) == read_packages(tmp_path / "no such folder") == {}


def test_a_counter_that_begins_anew_goes_on_from_its_end():
    before = {"a": Counter(900_000, 1_000_000), "b": Counter(0, 1_000_000)}
    after = {"a": Counter(100_000, 1_000_000), "b": Counter(500_000, 1_000_000)}
    assert joules_between(before, after) == pytest.approx(0.2 + 0.5)


def test_counters_that_come_or_go_say_nothing():
    some = {"a": Counter(1, 10)}
    assert joules_between({}, some) is joules_between(some, {}) is joules_between({}, {}) is None


def test_the_real_counters_of_this_machine_only_go_forward():
    before = read_packages(Path(settings.POWERCAP))
    if not before:
        pytest.skip("The processors' energy (/sys/class/powercap/intel-rapl:*) is not there, or not for us to read.")
    joules = joules_between(before, read_packages(Path(settings.POWERCAP)))
    assert joules is not None
    assert 0 <= joules < 1000
