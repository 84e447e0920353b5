"""Shapley values against games whose values are known, the axioms, and a count over all orders; errors by bootstrap."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from senseweave.agent.explain.shapley import bootstrap_means, estimate, shapley_values, subsets
from senseweave.perception.errors import ConfigError

NAMES = ("audio", "camera", "instruction")


def random_game(seed, names=NAMES):
    generator = np.random.default_rng(seed)
    return {subset: float(generator.normal()) for subset in subsets(names)}


def by_all_orders(value, names):
    """The definition: the mean over all orders of what each adds as it joins."""
    gained = dict.fromkeys(names, 0.0)
    orders = list(itertools.permutations(names))
    for order in orders:
        for place, name in enumerate(order):
            gained[name] += value[frozenset(order[: place + 1])] - value[frozenset(order[:place])]
    return {name: total / len(orders) for name, total in gained.items()}


def test_in_an_additive_game_each_gets_what_it_brings():
    worth = {"audio": 3.0, "camera": -1.0, "instruction": 0.5}
    value = {subset: 7.0 + sum(worth[name] for name in subset) for subset in subsets(NAMES)}
    assert shapley_values(value, NAMES) == pytest.approx(worth)


def test_in_the_glove_game_the_rare_glove_is_worth_four_times_the_common_one():
    """Two left gloves, one right: a pair is worth 1. The textbook values are 1/6, 1/6 and 2/3."""
    names = ("left", "other_left", "right")
    value = {subset: float("right" in subset and len(subset) > 1) for subset in subsets(names)}
    assert shapley_values(value, names) == pytest.approx({"left": 1 / 6, "other_left": 1 / 6, "right": 2 / 3})


@given(st.integers(0, 2**32 - 1))
def test_a_dummy_gets_nothing_and_the_others_what_they_get_without_it(seed):
    game = random_game(seed)
    value = {subset: game[subset - {"camera"}] for subset in subsets(NAMES)}
    shares = shapley_values(value, NAMES)
    assert shares["camera"] == 0.0
    rest = ("audio", "instruction")
    alone = shapley_values({subset: game[subset] for subset in subsets(rest)}, rest)
    assert {name: shares[name] for name in rest} == pytest.approx(alone)


@given(st.integers(0, 2**32 - 1))
def test_who_adds_the_same_to_every_subset_gets_the_same(seed):
    game = random_game(seed)
    swapped = {"audio": "camera", "camera": "audio"}
    value = {
        subset: game[subset] + game[frozenset(swapped.get(name, name) for name in subset)] for subset in subsets(NAMES)
    }
    shares = shapley_values(value, NAMES)
    assert shares["audio"] == pytest.approx(shares["camera"])


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_everything_is_shared_out_and_it_is_what_all_orders_say(seed, count):
    names = ("a", "b", "c", "d", "e")[:count]
    value = random_game(seed, names)
    shares = shapley_values(value, names)
    assert sum(shares.values()) == pytest.approx(value[frozenset(names)] - value[frozenset()], abs=1e-9)
    assert shares == pytest.approx(by_all_orders(value, names))


def test_six_senses_have_64_subsets_and_seven_are_refused_in_one_sentence():
    assert len(set(subsets("abcdef"))) == 64
    with pytest.raises(ConfigError, match=r"6 at most can be compared; got 7: a, b, c, d, e, f, g\. Take some away"):
        shapley_values({}, "abcdefg")


def test_a_missing_subset_is_named():
    value = random_game(0)
    del value[frozenset(["audio", "camera"])]
    with pytest.raises(ConfigError, match="got none for audio, camera"):
        shapley_values(value, NAMES)


def test_the_standard_error_is_that_of_a_mean():
    worth = np.random.default_rng(1).normal(0.4, 2.0, size=400)
    found = estimate({frozenset(): np.zeros(400), frozenset("a"): worth}, "a")["a"]
    assert found.value == pytest.approx(worth.mean())
    assert found.standard_error == pytest.approx(worth.std() / math.sqrt(400), rel=0.1)
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * found.standard_error, rel=0.1)
    assert found.interval[0] < found.value < found.interval[1] and not found.includes_zero


def test_what_makes_an_episode_hard_in_every_subset_cancels():
    """Without pairing, the spread of the episodes would be in the interval."""
    hardness = np.random.default_rng(2).normal(0.0, 100.0, size=50)
    values = {subset: hardness + 1.0 * len(subset) for subset in subsets("ab")}
    for found in estimate(values, "ab").values():
        assert found.value == pytest.approx(1.0) and found.standard_error < 1e-9


def test_one_episode_tells_a_value_and_no_error():
    found = estimate({frozenset(): np.array([0.0]), frozenset("a"): np.array([1.0])}, "a")["a"]
    assert found.value == 1.0 and math.isnan(found.standard_error) and found.includes_zero


def test_values_that_are_not_finite_prove_nothing():
    values = {frozenset(): np.zeros(9), frozenset("a"): np.full(9, np.nan)}
    assert estimate(values, "a")["a"].includes_zero


def test_the_bootstrap_draws_the_same_episodes_for_every_row_and_again_for_the_same_seed():
    values = np.random.default_rng(3).normal(size=(1, 30))
    rows = np.concatenate([values, 2 * values])
    means = bootstrap_means(rows, draws=200, seed=5)
    assert means.shape == (2, 200) and np.allclose(means[1], 2 * means[0])
    assert np.array_equal(means, bootstrap_means(rows, draws=200, seed=5))
    assert not np.array_equal(means, bootstrap_means(rows, draws=200, seed=6))
