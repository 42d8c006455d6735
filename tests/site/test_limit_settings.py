"""What nodes enforce unless their operator says otherwise."""

from django.conf import settings


def test_what_somebody_asked_for_is_what_others_can_rely_on():
    assert (settings.MEMORY_LIMIT, settings.CONTROL_GROUPS, settings.CPU_AFFINITY) == ("enforce", "auto", True)


def test_folders_have_no_limit_and_disks_a_small_reserve():
    assert (settings.OUTPUT_LIMIT_GB, settings.DISK_RESERVE_MB, settings.SILENCE_SECONDS) == (0, 512, 7200)
