"""Senses that fail in the batch: the mask, what is left, how often and how long, and whose random numbers they use."""

from typing import Any

import numpy as np
import pytest
import torch

from senseweave.envs import OutageProcess
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv

SENSES = ("compass", "grid", "instruction")


def batch(num_envs: int = 200, **options: Any) -> RoomsVectorEnv:
    return RoomsVectorEnv("GoToLocal", num_envs, "cpu", **{"senses": SENSES, "max_steps": 1000} | options)


def masks(env: RoomsVectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    """(steps + 1, environments, senses); nobody moves, so that no episode ends."""
    still = torch.full((env.num_envs,), 6)
    observations = [env.reset(seed=seed)[0], *(env.step(still)[0] for _ in range(steps))]
    return np.array([observation["present"].numpy() for observation in observations])


def test_without_outages_every_sense_is_here() -> None:
    found = masks(batch(), 5)
    assert found.all() and found.dtype == np.int8


@pytest.mark.parametrize("absent", [("compass",), ("grid", "instruction"), SENSES])
def test_a_known_mask_is_in_alphabetical_order_and_its_content_is_zero(absent: tuple[str, ...]) -> None:
    env = batch(8, outages=dict.fromkeys(absent, 1.0))
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        assert observation["present"].tolist() == [[int(name not in absent) for name in SENSES]] * 8
        for name in SENSES:
            assert (observation[name].reshape(8, -1) != 0).any(1).tolist() == [name not in absent] * 8
        observation, *_ = env.step(torch.zeros(8, dtype=torch.int64))


def test_content_goes_with_its_bit_and_is_otherwise_untouched() -> None:
    failing, sound = batch(32, outages=0.4, outage_steps=2), batch(32)
    found, expected = failing.reset(seed=0)[0], sound.reset(seed=0)[0]
    seen = set()
    for step in range(30):
        for number, name in enumerate(SENSES):
            is_here = found["present"][:, number].bool()
            seen |= set(is_here.tolist())
            assert torch.equal(found[name][is_here], expected[name][is_here])
            assert not found[name][~is_here].any()
        found, expected = (env.step(torch.full((32,), step % 3))[0] for env in (failing, sound))
    assert seen == {True, False}


@pytest.mark.parametrize(("rate", "mean_steps"), [(0.1, 10.0), (0.5, 4.0)])
def test_a_sense_is_gone_as_often_and_as_long_as_asked(rate: float, mean_steps: float) -> None:
    absent = masks(batch(outages={"grid": rate}, outage_steps=mean_steps), 300)[..., 1] == 0
    tolerance = 5 * np.sqrt(rate * (1 - rate) * 2 * mean_steps / absent.size)
    assert abs(absent.mean() - rate) < tolerance
    begins = (~absent[:-1] & absent[1:]).sum()
    assert abs(absent[1:].sum() / begins / mean_steps - 1) < 0.1


def test_chances_are_those_of_the_process_in_numpy() -> None:
    """The transition counts of the batch against the probabilities that the numpy process holds."""
    process = OutageProcess(SENSES, 0.3, 3.0)
    here = masks(batch(outages=0.3, outage_steps=3.0), 200).astype(bool)
    fails = (here[:-1] & ~here[1:]).sum((0, 1)) / here[:-1].sum((0, 1))
    returns = (~here[:-1] & here[1:]).sum((0, 1)) / (~here[:-1]).sum((0, 1))
    assert np.abs(fails - process.failure_probability[:-1]).max() < 0.02
    assert np.abs(returns - process.return_probability[:-1]).max() < 0.03


def test_the_process_in_torch_decides_as_in_numpy() -> None:
    process = OutageProcess(("a", "b"), {"a": 0.25, "b": 1.0}, 4.0, all_at_once=0.125)
    moved = process.on("cpu")
    random = np.random.default_rng(0)
    is_out = process.start(random.random((50, 3)))
    for _ in range(40):
        uniform = random.random((50, 3)).astype(np.float32)
        found = moved.advance(torch.from_numpy(is_out), torch.from_numpy(uniform))
        is_out = process.advance(is_out, uniform)
        assert (found.numpy() == is_out).all()
        assert (moved.absent(found).numpy() == process.absent(is_out)).all()


def test_senses_fail_independently_and_sometimes_all_at_once() -> None:
    absent = masks(batch(outages=0.2, outage_steps=2, all_at_once=0.1), 200) == 0
    assert abs(absent.all(-1).mean() - (0.1 + 0.9 * 0.2**3)) < 0.012
    assert abs(absent[..., 0].mean() - (0.1 + 0.9 * 0.2)) < 0.02


def test_outages_by_episode_last_the_episode_and_then_may_change() -> None:
    env = batch(100, outages=0.5, outage_steps="episode", max_steps=8)
    found = masks(env, 23).reshape(3, 8, 100, 3)  # steps 0..7 of three episodes, the first reset included
    assert (found == found[:, :1]).all()
    assert abs(found.mean() - 0.5) < 0.1
    assert (found[0] != found[1]).any()


def test_the_last_observation_of_an_episode_has_the_mask_of_its_own_life() -> None:
    env = batch(64, outages={"instruction": 0.5}, outage_steps="episode", max_steps=5)
    observation, _ = env.reset(seed=0)
    before = observation["present"].clone()
    for _ in range(5):
        observation, _, _, _, infos = env.step(torch.full((64,), 6))
    assert torch.equal(infos["final_obs"]["present"], before) and not torch.equal(observation["present"], before)


def test_a_life_has_the_same_outages_at_any_batch_size() -> None:
    options: dict[str, Any] = {"outages": 0.3, "outage_steps": 3, "max_steps": 7}
    many, few = masks(batch(50, **options), 40), masks(batch(5, **options), 40)
    assert (many[:, :5] == few).all()
    single = RoomsEnv("GoToLocal", senses=SENSES, **options)
    assert (single.reset(seed=0)[0]["present"] == few[0, 0]).all()


def test_other_seeds_have_other_outages() -> None:
    env = batch(20, outages=0.3, outage_steps=3)
    assert (masks(env, 30, seed=1) != masks(env, 30, seed=2)).any()
