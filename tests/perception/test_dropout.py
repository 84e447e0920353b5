"""Modality dropout: rates within statistical bounds, outages of the right length, off in evaluation, reproducible."""

import math

import pytest
import torch

from senseweave.perception import ModalityDropout, Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import PRESENT

SPEC = Spec(camera=Vector(1), nose=Vector(1), touch=Vector(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observation(count: int) -> dict[str, torch.Tensor]:
    return {name: torch.ones(count, 1) for name in SPEC}


def assert_share(dropped: torch.Tensor, rate: float, spread: float = 1.0) -> None:
    """The share of True lies within 5 standard deviations of the rate."""
    bound = 5 * spread * math.sqrt(max(rate * (1 - rate), 1e-12) / dropped.numel())
    assert abs(dropped.double().mean().item() - rate) <= bound


def test_each_sense_is_dropped_at_its_own_rate():
    rates = {"camera": 0.5, "touch": 0.1}
    dropout = ModalityDropout(SPEC, rates, generator=seeded())
    present = dropout(observation(20_000))[PRESENT]
    for i, name in enumerate(SPEC.names):
        assert_share(~present[:, i], rates.get(name, 0.0))


def test_senses_and_samples_are_dropped_independently():
    present = ModalityDropout(SPEC, 0.3, generator=seeded())(observation(20_000))[PRESENT]
    assert_share(~present[:, 0] & ~present[:, 1], 0.09)
    assert_share(~present[1:, 0] & ~present[:-1, 0], 0.09)
    assert_share(~present.any(dim=1), 0.027)


def test_everything_is_dropped_at_the_rate_of_all_absent():
    present = ModalityDropout(SPEC, 0.0, all_absent=0.2, generator=seeded())(observation(20_000))[PRESENT]
    assert_share(~present.any(dim=1), 0.2)
    assert torch.equal(present.all(dim=1), present.any(dim=1))


@pytest.mark.parametrize(("rate", "left"), [(0.0, True), (1.0, False)])
def test_the_extreme_rates_are_exact(rate, left):
    present = ModalityDropout(SPEC, rate, generator=seeded())(observation(5000))[PRESENT]
    assert present.all() if left else not present.any()
    mask = ModalityDropout(SPEC, rate, generator=seeded()).outages(200, 50)
    assert mask.all() if left else not mask.any()


def test_a_sense_that_is_absent_stays_absent():
    said = torch.rand(5000, 3, generator=seeded(1)) < 0.5
    present = ModalityDropout(SPEC, 0.3, generator=seeded())(observation(5000) | {PRESENT: said})[PRESENT]
    assert not (present & ~said).any() and (said & ~present).any()


def test_the_readings_themselves_are_left_alone():
    obs = observation(10)
    dropped = ModalityDropout(SPEC, 1.0)(obs)
    assert set(dropped) == {*SPEC.names, PRESENT} and set(obs) == set(SPEC.names)
    assert all(dropped[name] is obs[name] for name in SPEC)


def test_evaluation_drops_nothing():
    dropout, obs = ModalityDropout(SPEC, 1.0, all_absent=1.0).eval(), observation(10)
    assert dropout(obs) == obs


def test_the_same_generator_gives_the_same_drops():
    one, same, other = (ModalityDropout(SPEC, 0.5, all_absent=0.1, generator=seeded(seed)) for seed in (1, 1, 2))
    first, again, different = (dropout(observation(100))[PRESENT] for dropout in (one, same, other))
    assert torch.equal(first, again) and not torch.equal(first, different)
    assert torch.equal(one.outages(30, 10), same.outages(30, 10))
    assert not torch.equal(one.outages(30, 10), one.outages(30, 10))


def test_a_generator_of_its_own_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    dropout = ModalityDropout(SPEC, 0.5, generator=seeded())
    dropout(observation(10))
    dropout.outages(10, 10)
    assert torch.equal(torch.random.get_rng_state(), before)


def lengths_of_outages(out: torch.Tensor) -> torch.Tensor:
    """Lengths of the runs of True in (t, b) that begin and end inside."""
    lengths = []
    for column in out.T.tolist():
        run = None  # unknown until something begins
        for before, now in zip(column, column[1:], strict=False):
            if now and not before:
                run = 1
            elif now and run is not None:
                run += 1
            elif before and run is not None:
                lengths.append(run)
                run = None
    return torch.tensor(lengths, dtype=torch.float64)


@pytest.mark.parametrize(("rate", "mean_steps"), [(0.1, 5.0), (0.3, 10.0), (0.5, 1.0), (0.7, 4.0), (0.02, 20.0)])
def test_outages_have_their_rate_and_their_mean_length(rate, mean_steps):
    dropout = ModalityDropout(SPEC, rate, mean_steps=mean_steps, generator=seeded())
    mask = dropout.outages(400, 200)
    assert mask.shape == (400, 200, 3) and mask.dtype == torch.bool
    for i in range(3):
        assert_share(~mask[:, :, i], rate, spread=math.sqrt(2 * mean_steps))
    lengths = lengths_of_outages(~mask[:, :, 0])
    error = lengths.std() / math.sqrt(len(lengths)) + 0.01 * mean_steps  # long outages are cut off by the end
    assert abs(lengths.mean() - mean_steps) < 5 * error


def test_outages_start_as_they_go_on():
    mask = ModalityDropout(SPEC, 0.4, mean_steps=20.0, generator=seeded()).outages(2, 20_000)
    for step in range(2):
        assert_share(~mask[step], 0.4)


@pytest.mark.parametrize(("rate", "mean_steps"), [(0.8, 2.0), (0.95, 10.0), (0.9, 1.0)])
def test_a_rate_that_short_outages_cannot_reach_is_reached_by_longer_ones(rate, mean_steps):
    mask = ModalityDropout(SPEC, rate, mean_steps=mean_steps, generator=seeded()).outages(300, 300)
    assert_share(~mask, rate, spread=math.sqrt(2 * max(mean_steps, rate / (1 - rate))))


def test_blackouts_take_everything_at_once():
    mask = ModalityDropout(SPEC, 0.0, all_absent=0.25, mean_steps=8.0, generator=seeded()).outages(400, 200)
    assert torch.equal(mask.any(dim=2), mask.all(dim=2))
    assert_share(~mask[:, :, 0], 0.25, spread=4.0)


BAD = [
    ("a rate above 1", {"rates": 1.5}, "must lie within 0..1; got 1.5"),
    ("a negative rate", {"rates": {"nose": -0.1}}, 'rate of "nose" must lie within 0..1'),
    ("a rate that is no number", {"rates": math.nan}, "must lie within 0..1; got nan"),
    ("an unknown sense", {"rates": {"noes": 0.1}}, 'did you mean "nose"'),
    ("a bad blackout rate", {"rates": 0.1, "all_absent": 2.0}, '"all_absent" must lie within 0..1'),
    ("outages of no length", {"rates": 0.1, "mean_steps": 0.5}, "`mean_steps` must be at least 1 step"),
    ("a length that is no number", {"rates": 0.1, "mean_steps": math.nan}, "`mean_steps` must be at least 1 step"),
]


@pytest.mark.parametrize(("settings", "told"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_settings_are_refused_in_one_sentence(settings, told):
    with pytest.raises(ConfigError, match=told):
        ModalityDropout(SPEC, **settings)


def test_dropped_senses_reach_perception_as_absent():
    perception = Perception(SPEC, PerceptionConfig(width=16, heads=2))
    state = perception(ModalityDropout(SPEC, {"nose": 1.0})(observation(4)))
    assert state.present.tolist() == [[True, False, True]] * 4 and not state.gates["nose"].any()


def test_no_state_is_saved_with_the_weights():
    assert not ModalityDropout(SPEC, 0.5).state_dict()


def test_what_is_absent_stays_absent():
    present = torch.tensor([[0.4, 0.6, 1.0], [0.0, 0.5, 1.0]])
    seen = ModalityDropout(SPEC, 0.0)(observation(2) | {PRESENT: present})[PRESENT]
    assert seen.tolist() == [[False, True, True], [False, False, True]]
