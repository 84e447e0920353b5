"""`RewardScale` beside a loop in numpy, and the on-device PPO that learns from rewards of one scale."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from senseweave.policies import PPO
from senseweave.policies.ppo.rewards import MAX_SCALED_REWARD, RewardScale

GAMMA = 0.9


def scaled_by_hand(rollouts):
    """The last rollout's rewards, divided by the standard deviation of the returns of all of them."""
    seen, sums = [], np.zeros(rollouts[0][0].shape[1])
    for rewards, starts in rollouts:
        for reward, start in zip(rewards, starts, strict=True):
            sums = np.where(start, 0.0, GAMMA * sums) + reward
            seen.append(sums)
    return np.clip(rollouts[-1][0] / np.sqrt(np.var(seen) + 1e-8), -MAX_SCALED_REWARD, MAX_SCALED_REWARD)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_rewards_are_divided_by_the_deviation_of_all_returns_so_far(size):
    random = np.random.default_rng(0)
    scale, rollouts = RewardScale(3, GAMMA), []
    for _ in range(4):
        rewards, starts = size * random.normal(2.0, 1.0, (16, 3)), random.random((16, 3)) < 0.2
        rollouts.append((rewards, starts))
        found = scale(torch.tensor(rewards, dtype=torch.float32), torch.tensor(starts))
        np.testing.assert_allclose(found, scaled_by_hand(rollouts), rtol=1e-4)


def test_a_reward_that_is_always_the_same_stays_finite_and_nothing_stays_nothing():
    scale, starts = RewardScale(2, GAMMA), torch.ones(4, 2, dtype=torch.bool)
    assert torch.equal(scale(torch.zeros(4, 2), starts), torch.zeros(4, 2))
    assert torch.equal(RewardScale(2, GAMMA)(torch.ones(4, 2), starts), torch.full((4, 2), MAX_SCALED_REWARD))


def test_episodes_that_begin_anew_forget_what_was_underway_and_the_scale_does_not():
    scale, none = RewardScale(1, GAMMA), torch.zeros(5, 1, dtype=torch.bool)
    scale(torch.randn(5, 1), none)
    assert float(scale.underway) != 0.0
    before = {name: part.clone() for name, part in scale.state_dict().items()}
    scale.restart()
    assert float(scale.underway) == 0.0
    assert before.keys() == {"count", "mean", "squares"} and float(before["count"]) == 5
    assert all(torch.equal(part, before[name]) for name, part in scale.state_dict().items())


class Paid(gymnasium.Env):
    """Each step pays 1,000 times a number that is seen; a limit cuts the episode off after four steps."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action):
        self.steps += 1
        return self._seen(), 1000.0 * float(self.np_random.normal()), False, self.steps == 4, {}

    def _seen(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)


def small(**settings):
    settings = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, "seed": 0, "device": "cpu", "workers": 1} | settings
    return PPO("MlpPolicy", VecMonitor(DummyVecEnv([Paid] * 2)), policy_kwargs={"net_arch": [8]}, **settings)


def test_ppo_learns_from_scaled_rewards_and_tells_the_environments_own():
    plain, scaled = small(), small(normalize_rewards=True)
    for model in (plain, scaled):
        model.learn(32)
    assert [info["r"] for info in plain.ep_info_buffer] == [info["r"] for info in scaled.ep_info_buffer]
    assert float(plain.rollout.rewards.std()) > 300
    assert 0.2 < float(scaled.rollout.rewards.std()) < 3
    # what comes after the limit is judged by the policy, whose values have the new scale already
    inside = torch.tensor([step % 4 != 3 for step in range(16)])
    ratio = (plain.rollout.rewards / scaled.rollout.rewards)[inside]
    torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio), rtol=1e-4, atol=0.0)
    assert not torch.allclose((plain.rollout.rewards / scaled.rollout.rewards)[~inside], ratio[0, 0], rtol=1e-6)


def test_the_scale_is_saved_and_goes_on(tmp_path):
    model = small(normalize_rewards=True)
    model.learn(64)
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", VecMonitor(DummyVecEnv([Paid] * 2)), device="cpu")
    assert loaded.normalize_rewards
    own, other = model.reward_scale.state_dict(), loaded.reward_scale.state_dict()
    assert float(own["count"]) == 64 and all(torch.equal(part, other[name]) for name, part in own.items())
    small().save(tmp_path / "without")
    began = PPO.load(tmp_path / "without", VecMonitor(DummyVecEnv([Paid] * 2)), device="cpu", normalize_rewards=True)
    assert float(began.reward_scale.count) == 0.0
