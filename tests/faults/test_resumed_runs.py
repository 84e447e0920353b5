"""A run that is killed again and again ends with the same bits as one that nobody disturbs."""

import pytest

from faults.resume_campaign import WORLDS, kill_and_compare


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", sorted(WORLDS))
def test_twenty_kills_at_random_moments_change_no_bit(tmp_path, world):
    assert kill_and_compare(tmp_path, 20, world=world)["bitwise_equal"]
