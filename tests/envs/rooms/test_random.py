"""Random numbers by counter: the published mixing function, and what a life may rely on."""

import numpy as np
import pytest
import torch
from scipy import stats

from senseweave.envs.rooms import random as draws

WORD = 2**64


def signed(x: int) -> int:
    return x - WORD if x >= WORD // 2 else x


def splitmix64(state: int) -> int:
    """One output of SplitMix64 in whole numbers without a bound, from the paper."""
    z = (state + 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


@pytest.mark.parametrize("state", [0, 1, 2**63 - 1, 2**63, 2**64 - 1, 1234567])
def test_the_first_child_is_what_splitmix64_puts_out(state):
    child = draws.child_key(torch.tensor([signed(state)]), 0)
    assert child.item() == signed(splitmix64(state))


def test_splitmix64_here_is_the_published_one():
    outputs, state = [], 1234567
    for _ in range(3):
        outputs.append(splitmix64(state))
        state = (state + 0x9E3779B97F4A7C15) % WORD
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_number_and_a_tensor_of_it_name_the_same_child():
    key = draws.mix(torch.arange(5))
    for number in (0, 3, 10**6, 2**40):
        assert torch.equal(draws.child_key(key, number), draws.child_key(key, torch.full_like(key, number)))


def test_mixing_is_one_to_one_on_a_million_neighbours():
    numbers = torch.arange(-500_000, 500_000)
    assert len(draws.mix(numbers).unique()) == 1_000_000


def test_a_life_is_the_same_in_any_batch():
    index = torch.arange(4096)
    together = draws.life_key(torch.full_like(index, 7), index, torch.full_like(index, 2))
    alone = draws.life_key(torch.tensor([7]), torch.tensor([4000]), torch.tensor([2]))
    assert together[4000] == alone[0]


def test_lives_differ_in_seed_environment_and_episode():
    seed, index, episode = torch.meshgrid(torch.arange(50), torch.arange(50), torch.arange(50), indexing="ij")
    keys = draws.life_key(seed.flatten(), index.flatten(), episode.flatten())
    assert len(keys.unique()) == 50**3


@pytest.mark.parametrize("below", [1, 2, 3, 7, 18, 64])
def test_whole_numbers_are_uniform_below_their_bound(below):
    key = draws.life_key(torch.full((60_000,), 3), torch.arange(60_000), torch.zeros(60_000, dtype=torch.int64))
    counts = torch.bincount(draws.draw_integer(key, 5, below), minlength=below)
    assert len(counts) == below
    assert below == 1 or stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_bounds_may_differ_from_row_to_row():
    below = torch.arange(1, 1001)
    drawn = draws.draw_integer(draws.mix(torch.arange(1000)), 0, below)
    assert ((drawn >= 0) & (drawn < below)).all()
    assert drawn[0] == 0


def test_uniform_numbers_are_uniform_and_below_one():
    key = draws.mix(torch.arange(100_000))
    drawn = draws.draw_uniform(key, 1)
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 0 and drawn.max() < 1
    assert stats.kstest(drawn.numpy(), "uniform").pvalue > 1e-4


def test_neighbouring_decisions_and_lives_have_nothing_to_do_with_each_other():
    nothing = torch.zeros(20_000, dtype=torch.int64)
    key = draws.life_key(nothing, torch.arange(20_000), nothing)
    one, other = draws.draw_uniform(key, 0).numpy(), draws.draw_uniform(key, 1).numpy()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.03


def test_the_same_decision_gives_the_same_value_again():
    key = draws.mix(torch.arange(10))
    assert torch.equal(draws.draw_integer(key, 9, 100), draws.draw_integer(key, 9, 100))
    assert not torch.equal(draws.draw_integer(key, 9, 100), draws.draw_integer(key, 10, 100))


def test_bits_are_what_whole_numbers_are_drawn_from():
    key, numbers = draws.mix(torch.arange(6)), torch.tensor([0, 4, 99])
    bits = draws.draw_bits(key, numbers)
    for column, number in enumerate(numbers.tolist()):
        assert torch.equal(bits[:, column] % 10, draws.draw_integer(key, number, 10))
