"""Intervals of success: scipy, exact tests and simulated episodes are the oracles."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, t

from senseweave.agent.play import chance
from senseweave.agent.play.chance import (
    interval_over_seeds,
    paired_difference,
    told,
    unpaired_difference,
    wilson_interval,
)
from senseweave.agent.play.episodes import Episodes
from senseweave.perception.errors import ConfigError


def outcomes(both: int, first_only: int, second_only: int, neither: int) -> tuple[list[bool], list[bool]]:
    pairs = [(True, True)] * both + [(True, False)] * first_only
    pairs += [(False, True)] * second_only + [(False, False)] * neither
    return [one for one, _ in pairs], [other for _, other in pairs]


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 512), (512, 512), (500, 512), (7, 20)])
def test_the_interval_is_wilsons(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("gained", range(31))
def test_a_paired_difference_is_chance_where_mcnemars_exact_test_says_so(gained):
    """Of 200 pairs 30 end in two ways; the mid-p value leaves the exact test without its excess of caution."""
    difference = paired_difference(*outcomes(90, gained, 30 - gained, 80))
    mid_p = binomtest(gained, 30).pvalue - math.comb(30, gained) / 2**30
    if abs(mid_p - 0.05) > 0.02:
        assert difference.is_chance == (mid_p > 0.05)


@pytest.mark.parametrize(("easy", "helps"), [(0.9, 0.0), (0.5, 0.2), (0.8, 0.4)])
def test_ninety_five_of_a_hundred_paired_intervals_hold_the_truth(easy, helps):
    """Episodes of unequal difficulty, won by both where they are easy; the first wins `helps` more of the others."""
    generator, held, rounds = np.random.default_rng(0), 0, 1000
    for _ in range(rounds):
        both = generator.random(128) < easy
        luck = generator.random((2, 128)) < np.array([[0.4 + helps], [0.4]])
        held_by = paired_difference(*(both | luck)).interval
        held += held_by[0] <= (1 - easy) * helps <= held_by[1]
    assert 0.935 <= held / rounds <= 0.995


def test_ninety_five_of_a_hundred_unpaired_intervals_hold_the_truth():
    generator, held = np.random.default_rng(0), 0
    for _ in range(1000):
        interval = unpaired_difference(generator.random(60) < 0.9, generator.random(68) < 0.8).interval
        held += interval[0] <= 0.1 <= interval[1]
    assert 0.935 <= held / 1000 <= 0.98


def test_an_unpaired_difference_is_the_example_of_newcombe():
    """Table II of Newcombe 1998, example a: 56/70 and 48/80 give 0.0524 to 0.3339 by method 10."""
    difference = unpaired_difference([True] * 56 + [False] * 14, [True] * 48 + [False] * 32)
    assert difference.value == pytest.approx(0.2)
    assert difference.interval == pytest.approx((0.0524, 0.3339), abs=5e-5) and not difference.is_chance


def test_pairing_sees_what_two_separate_intervals_do_not():
    first, second = outcomes(300, 20, 5, 187)
    assert not paired_difference(first, second).is_chance and unpaired_difference(first, second).is_chance


def test_episodes_that_all_end_alike_keep_a_width():
    for part in ([True] * 10, [False] * 10):
        difference = paired_difference(part, part)
        assert difference.value == 0 and difference.is_chance and difference.interval[1] > 0.05
    one = paired_difference([True], [False])
    assert one.is_chance and one.interval[1] <= 1


@pytest.mark.parametrize("count", [2, 3, 5, 11, 12, 20, 31])
def test_the_interval_over_seeds_is_students(count):
    figures = np.random.default_rng(count).normal(0.9, 0.02, count).tolist()
    expected = t.interval(0.95, count - 1, np.mean(figures), np.std(figures, ddof=1) / np.sqrt(count))
    assert interval_over_seeds(figures) == pytest.approx(expected, abs=1e-5)


def test_one_seed_has_no_interval_and_no_episodes_no_difference():
    assert interval_over_seeds([0.9]) is None
    with pytest.raises(ConfigError, match="got 1, 2"):
        paired_difference([True], [True, False])
    with pytest.raises(ConfigError, match="got 0 and 1"):
        unpaired_difference([], [True])


def test_what_chance_may_have_done_is_called_none():
    assert told(paired_difference(*outcomes(300, 5, 5, 2)).plain()).startswith(f"{chance.NONE}: +0.000 (")
    assert told(paired_difference(*outcomes(100, 300, 0, 100)).plain()).startswith("+0.600 (+0.55")


def test_kinds_are_compared_with_all_others():
    def episodes(*shares: tuple[str, int, int]) -> Episodes:
        kinds = [kind for kind, won, lost in shares for _ in range(won + lost)]
        successes = [i < won for _, won, lost in shares for i in range(won + lost)]
        return Episodes(np.zeros(len(kinds)), np.ones(len(kinds), np.int64), successes, 1.0, kinds=kinds)

    two = episodes(("look", 90, 10), ("sound", 50, 50))
    assert list(two.differences_by_kind) == ["look"] and two.differences_by_kind["look"].value == pytest.approx(0.4)
    assert two.interval_by_kind["sound"] == wilson_interval(50, 100)
    three = episodes(("look", 90, 10), ("sound", 50, 50), ("smell", 50, 50))
    assert {kind: part.is_chance for kind, part in three.differences_by_kind.items()} == {
        "look": False,
        "smell": False,
        "sound": False,
    }
    assert episodes(("look", 9, 1)).differences_by_kind == {}
