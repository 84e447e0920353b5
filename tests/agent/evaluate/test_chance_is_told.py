"""Where figures of success are printed, a difference that chance may have made is called none."""

import json

import numpy as np
import pytest

from senseweave.agent.evaluate.evaluate import as_text, evaluate_policy, evaluate_without_each, success_difference
from senseweave.agent.play.chance import NONE
from senseweave.agent.play.environments import make_vector_env
from senseweave.agent.play.episodes import Episodes
from senseweave.agent.train.held_out import words_of
from senseweave.perception import PerceptionConfig
from senseweave.policies import PPO
from senseweave.policies.presets import ppo_settings

SEEK = "senseweave/Seek-v0"


@pytest.fixture(scope="module")
def evaluation():
    """Of a policy that knows nothing, as the end of a training tells it."""
    vector, facts = make_vector_env(SEEK, {}, 2)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
    policy = PPO("MultiInputPolicy", vector, seed=3, device="cpu", **ppo_settings(facts.senses, config)).policy
    result = evaluate_policy(policy, SEEK, {}, episodes=32)
    return result | {"without_each": evaluate_without_each(policy, SEEK, {}, 32)}


def episodes(successes, kinds=None):
    return Episodes(np.zeros(len(successes)), np.ones(len(successes), np.int64), successes, 1.0, kinds=kinds)


def test_every_success_and_every_difference_has_its_interval(evaluation):
    assert json.loads(json.dumps(evaluation)) == evaluation
    between = evaluation["sampled_minus_greedy"]
    rates = evaluation["sampled_success_rate"] - evaluation["greedy_success_rate"]
    assert between["value"] == pytest.approx(rates) and between["interval"][0] < rates < between["interval"][1]
    assert set(evaluation["sampled_interval_by_kind"]) == {"look", "sound"}
    assert list(evaluation["sampled_differences_by_kind"]) == ["look"]
    for row in evaluation["without_each"].values():
        assert row["episodes"] == 32
        less = row["success_rate"] - evaluation["sampled_success_rate"]
        assert row["difference"]["value"] == pytest.approx(less), "the same 32 rooms, with all senses"


def test_a_policy_that_knows_nothing_loses_nothing_beyond_chance_with_a_sense(evaluation):
    text = as_text(evaluation)
    for sense in ("audio", "camera", "instruction"):
        assert evaluation["without_each"][sense]["difference"]["is_chance"]
        (line,) = [line for line in text.splitlines() if f"without {sense}: " in line]
        assert f"less all senses: {NONE}: " in line and line.count(" to ") == 2
    (line,) = [line for line in text.splitlines() if "look less sound" in line and "-" in line][:1]
    assert line.count(" to ") == 1


def test_a_difference_that_is_there_is_not_called_none(evaluation):
    lost = success_difference(episodes([False] * 60 + [True] * 40), episodes([True] * 100))
    row = evaluation["without_each"]["camera"] | {"difference": lost.plain()}
    text = as_text(evaluation | {"without_each": {"camera": row}})
    (line,) = [line for line in text.splitlines() if "without camera" in line]
    assert NONE not in line and "less all senses: -0.600 (-0.6" in line


def test_where_success_is_not_defined_nothing_is_compared():
    assert success_difference(episodes([None, None]), episodes([None, None])) is None
    mixed = success_difference(episodes([None, True, True]), episodes([True, False, True]))
    assert mixed.value == pytest.approx(0.5), "of pairs that both tell"


def test_the_kinds_of_held_out_episodes_are_told_apart_only_beyond_chance():
    alike = episodes([True, False] * 32, ["look", "look", "sound", "sound"] * 16)
    assert words_of(alike, 0.5) == "0.50 (0.38 to 0.62)"
    apart = episodes([True, False] * 32, ["look", "sound"] * 32)
    assert words_of(apart, 0.5) == "0.50 (0.38 to 0.62; look 1.00, sound 0.00)"
