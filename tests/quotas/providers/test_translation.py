"""Limits and use in the words of Kubernetes and of Slurm, and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotas.providers import kubernetes, slurm
from scheduling.native_quotas import NativeAmounts

AMOUNTS = st.builds(NativeAmounts, *[st.none() | st.integers(0, 10**6) for _ in NativeAmounts._fields])
ASSOC_MGR = """
QOS Records

QOS=normal(1) UsageRaw=0.000000 GrpJobs=N(3) GrpJobsAccrue=N(0) GrpSubmitJobs=N(3) GrpWall=N(0.00) GrpTRES=cpu=N(4),mem=N(400),gres/gpu=N(2) GrpTRESMins=cpu=N(0) User Limits No Users
QOS=ty-team(5) UsageRaw=0.000000 GrpJobs=3(1) GrpSubmitJobs=N(1) GrpTRES=cpu=8(2),mem=16000(1000),energy=N(0),gres/gpu=2(1),gres/gpu:h100=N(1) GrpTRESMins=cpu=N(7)
Association Records
ClusterName=test Account=ty-team UserName= Partition= Priority=0 ID=7 GrpJobs=N(0)
ClusterName=test Account=ty-team UserName=root(0) Partition= Priority=0 ID=8 GrpJobs=N(0)
"""


@given(AMOUNTS)
def test_what_a_resource_quota_says_is_what_our_row_did(limits):
    assert kubernetes.amounts_of(kubernetes.hard_of(limits), math.floor) == limits


def test_a_resource_quota_has_the_fields_own_keys():
    assert kubernetes.hard_of(NativeAmounts(2, 8, 16384, 3)) == {
        "requests.nvidia.com/gpu": "2",
        "requests.cpu": "8",
        "requests.memory": "16384Mi",
        "pods": "3",
    }


@pytest.mark.parametrize(
    ("there", "limit", "use"),
    [
        ({"requests.cpu": "1500m"}, NativeAmounts(cpus=1), NativeAmounts(cpus=2)),
        ({"requests.memory": "1G"}, NativeAmounts(memory_mb=953), NativeAmounts(memory_mb=954)),
        ({"limits.cpu": "4", "services": "2"}, NativeAmounts(), NativeAmounts()),
    ],
)
def test_a_part_of_a_core_is_one_that_nobody_else_gets(there, limit, use):
    assert kubernetes.amounts_of(there, math.floor) == limit
    assert kubernetes.amounts_of(there, math.ceil) == use


def test_slurms_books_are_read_with_limits_and_use():
    books = slurm.read_books(ASSOC_MGR)
    assert books.qos["ty-team"] == (NativeAmounts(2, 8, 16000, 3), NativeAmounts(1, 2, 1000, 1))
    assert books.qos["normal"] == (NativeAmounts(), NativeAmounts(2, 4, 400, 3))
    assert books.users["ty-team"] == {"", "root"}


def test_a_limit_that_is_none_is_taken_away_in_slurm():
    assert slurm.limits_in_words(NativeAmounts(gpus=2)) == ["GrpTRES=cpu=-1,mem=-1,gres/gpu=2", "GrpJobs=-1"]
