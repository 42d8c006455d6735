"""Slurm's short ways to write many things."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.slurm.names import Gres, gres, hosts


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-11,20]", ["n08", "n09", "n10", "n11", "n20"]),
        ("a[1-2]-ib,login,b7", ["a1-ib", "a2-ib", "login", "b7"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[a,b]", ["na", "nb"]),
    ],
)
def test_a_host_list_is_all_its_names(text, names):
    assert hosts(text) == names


@given(st.lists(st.integers(0, 999), min_size=1, max_size=20))
def test_a_list_of_numbers_is_as_many_names(numbers):
    assert hosts(f"n[{','.join(map(str, numbers))}]") == [f"n{number}" for number in numbers]


@given(st.text(alphabet="n[]-,019 (S:)", max_size=20))
def test_whatever_stands_there_nothing_fails(text):
    hosts(text)
    gres(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("(null)", []),
        ("gpu:8", [Gres("gpu", "", 8)]),
        ("gpu:h100:8(S:0-1)", [Gres("gpu", "h100", 8)]),
        (
            "gpu:a100:2(IDX:0,3),gpu:t4:1(IDX:5),shard:4",
            [Gres("gpu", "a100", 2), Gres("gpu", "t4", 1), Gres("shard", "", 4)],
        ),
        ("gpu:h100:0(IDX:N/A)", [Gres("gpu", "h100", 0)]),
        ("gres/gpu:h100=2", [Gres("gpu", "h100", 2)]),
        ("lustre:2K", [Gres("lustre", "", 2048)]),
    ],
)
def test_generic_resources_have_a_name_a_kind_and_a_number(text, found):
    assert gres(text) == found
