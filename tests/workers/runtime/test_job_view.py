"""What walls are made of: layers in an order in which each is seen, and users whom nobody else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime import job_user, job_view
from workers.runtime.job_user import RunAs

NAMES = st.sampled_from(["a", "b", "a-b", "c.d"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@given(covers=st.sets(PATHS), shown=st.sets(PATHS))
def test_every_layer_lies_on_what_was_laid_before_it(covers, shown):
    layers = job_view.in_order(
        [*((path, "", job_view.EMPTY) for path in covers), *((path, path, "") for path in shown)]
    )
    targets = [target for target, _, _ in layers]
    for index, target in enumerate(targets):
        assert not any(job_view.is_below(earlier, [target]) and earlier != target for earlier in targets[:index])
    for path in shown:  # the last layer at or above it shows it, or it was laid itself
        last = [layer for layer in layers if job_view.is_below(path, [layer[0]])][-1]
        assert last[0] == last[1]


def test_a_job_keeps_its_user_over_attempts_and_no_two_near_ones_share_one():
    users = [RunAs(1000, 1999).user_of(job).uid for job in range(1, 1001)]
    assert len(set(users)) == 1000
    assert users == [RunAs(1000, 1999).user_of(job).uid for job in range(1, 1001)]


@pytest.mark.parametrize("nonsense", ["nosuch-account", "5-2", "1-2", "root", "0-99999", "1000-99999999999"])
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError, match="TRAINYARD_RUN_AS"):
        job_user.parsed(nonsense)
