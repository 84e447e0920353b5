"""Senses that are not finite are counted once a rollout, in whatever form the rollout keeps them."""

import pytest
import torch

from senseweave.perception import Camera, Microphone, Perception, PerceptionConfig, Spec, Vector
from senseweave.policies.ppo.not_finite import log_not_finite, never_there, shares_not_finite
from senseweave.policies.ppo.rollout import Rollout

SPEC = Spec(camera=Camera(16, 16), audio=Microphone(1, 1600, 16_000), state=Vector(3))


@pytest.fixture(scope="module")
def perception():
    return Perception(SPEC, PerceptionConfig(state_dim=8))


def seen(steps=4, envs=2):
    """A rollout in which everything is well."""
    kinds = {name: kind.space() for name, kind in SPEC.items()}
    parts = {name: torch.zeros(steps, envs, *space.shape) for name, space in kinds.items()}
    parts["camera"] = parts["camera"].to(torch.uint8)
    return parts | {"present": torch.ones(steps, envs, len(SPEC))}


def test_a_sound_rollout_has_no_share_though_its_sum_is_large(perception):
    rollout = seen()
    rollout["state"] += 1e30
    assert shares_not_finite(perception.layout, rollout) == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_the_share_is_of_the_steps_in_which_the_sense_was_said_to_be_there(perception, number):
    rollout = seen()
    rollout["state"][:3, :, 1] = number
    assert shares_not_finite(perception.layout, rollout) == {"state": 0.75}
    rollout["present"][0, :, 2] = 0.0
    assert shares_not_finite(perception.layout, rollout) == {"state": pytest.approx(4 / 6)}
    rollout["present"][:3, :, 2] = 0.0
    assert shares_not_finite(perception.layout, rollout) == {}


def test_numbers_whose_sum_is_too_large_are_finite(perception):
    rollout = seen()
    rollout["state"] += 3e38
    assert shares_not_finite(perception.layout, rollout) == {}


def test_sounds_that_are_kept_as_features_are_counted_too(perception):
    rollout = Rollout(4, 2, torch.device("cpu"), perception)
    rollout.begin(None)
    for step in range(4):
        observation = {name: part[step] for name, part in seen().items()}
        if step < 2:
            observation["audio"][1] = float("nan")
        rollout.store_observation(observation)
        rollout.length += 1
    assert "audio" not in rollout.observations()
    assert shares_not_finite(perception.layout, rollout.observations()) == {"audio": 0.25}


class Noted(dict):
    def record(self, key, value):
        self[key] = value


def test_the_worst_sense_has_a_figure_of_its_own(perception):
    logger, rollout = Noted(), seen()
    log_not_finite(logger, perception, rollout)
    assert logger == {"senses/not_finite": 0.0}
    rollout["state"][:1], rollout["audio"][:] = float("nan"), float("nan")
    log_not_finite(logger, perception, rollout)
    assert logger == {"senses/not_finite": 1.0, "not_finite/audio": 1.0, "not_finite/state": 0.25}


def test_a_sense_that_was_never_said_to_be_there_is_named(perception):
    logger, rollout = Noted(), seen()
    rollout["present"][..., 0], rollout["present"][1:, :, 1] = 0.0, 0.0
    assert never_there(perception.layout, rollout) == ["audio"]
    log_not_finite(logger, perception, rollout)
    assert logger == {"senses/not_finite": 0.0, "never_there/audio": 1.0}
    assert never_there(perception.layout, {"state": rollout["state"]}) == []
