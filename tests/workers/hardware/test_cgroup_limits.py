"""Limits of the control group, in folders laid out as the kernel does."""

import math

import pytest

from workers.hardware.cgroup_limits import CgroupLimits, limits, memory_used


@pytest.fixture
def group(tmp_path):
    """Writes files of a control group below a mount, and says in which group we are."""

    def write(membership: str, **files: str):
        (tmp_path / "membership").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "mount" / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path / "mount", tmp_path / "membership"

    return write


def test_a_container_with_limits(group):
    where = group("0::/\n", cpu_DOT_max="150000 100000\n", memory_DOT_max="2147483648\n")
    assert limits(*where) == CgroupLimits(1.5, 2 * 2**30)


def test_no_limits(group):
    where = group("0::/\n", cpu_DOT_max="max 100000\n", memory_DOT_max="max\n")
    assert limits(*where) == CgroupLimits(math.inf, math.inf)


def test_a_group_above_ours_limits_us_too(group):
    files = {"pod__cpu_DOT_max": "200000 100000", "pod__box__cpu_DOT_max": "max 100000"}
    assert limits(*group("0::/pod/box\n", **files)).cpus == 2.0


def test_version_one(group):
    files = {
        "cpu__cpu_DOT_cfs_quota_us": "300000",
        "cpu__cpu_DOT_cfs_period_us": "100000",
        "memory__job__memory_DOT_limit_in_bytes": "1073741824",
    }
    where = group("4:memory:/job\n3:cpuset:/x\n1:cpu,cpuacct:/not/mounted\n0::/\n", **files)
    assert limits(*where) == CgroupLimits(3.0, 2**30)


def test_version_one_without_limits(group):
    where = group("1:cpu:/\n", cpu__cpu_DOT_cfs_quota_us="-1", cpu__cpu_DOT_cfs_period_us="100000")
    assert limits(*where).cpus == math.inf


def test_no_control_groups_at_all(tmp_path):
    assert limits(tmp_path / "none", tmp_path / "none") == CgroupLimits(math.inf, math.inf)


def test_memory_in_use_is_that_of_our_own_group(group):
    where = group("0::/pod\n", memory_DOT_current="900", pod__memory_DOT_current="500")
    assert memory_used(*where) == 500


def test_memory_in_use_is_unknown_where_nobody_counts(tmp_path):
    assert memory_used(tmp_path, tmp_path / "none") is None
