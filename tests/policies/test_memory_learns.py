"""A memory learns to remember: a cue that is asked for five steps later."""

import numpy as np
import pytest
import torch

from kit.worlds.cue import DELAY, SPEC, CueWorld
from senseweave.perception import PerceptionConfig
from senseweave.policies import PPO
from senseweave.policies.imitation import ImitationSettings, imitate
from senseweave.policies.presets import policy_settings

CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)


def learner(memory, **settings):
    kwargs = policy_settings(SPEC, CONFIG) | {"net_arch": [32], "memory": memory}
    settings = {"n_steps": 12, "batch_size": 192, "n_epochs": 4, "gamma": 0.9, "learning_rate": 3e-3} | settings
    return PPO("MultiInputPolicy", CueWorld(), seed=0, device="cpu", policy_kwargs=kwargs, **settings)


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_ppo_remembers_with_a_memory_and_guesses_without(memory):
    model = learner(memory)
    model.learn(13_000 if memory == "gru" else 6_000)
    success = np.mean(model.ep_success_buffer)
    assert success > 0.95 if memory == "gru" else 0.3 < success < 0.7, success


def test_a_memory_learns_by_imitation_and_predict_carries_it():
    """The expert knows the cue at every step; who imitates it must remember."""
    model = learner("gru")
    env = CueWorld()
    told = imitate(model.policy, env, None, 9_000, ImitationSettings(rollout_size=768, batch_size=192, epochs=4))
    assert told["agreement"] > 0.95
    assert answered(model, env) > 0.95
    assert 0.3 < answered(model, env, forgets=True) < 0.7


def answered(model, env, forgets=False):
    """The share of right answers of the greedy policy; with `forgets` its memory is taken away at each step."""
    observation, _ = env.reset(seed=5)
    state, starts, right, asked = None, np.ones(env.num_envs, bool), 0, 0
    for step in range(4 * (DELAY + 1)):
        actions, state = model.predict({n: part.numpy() for n, part in observation.items()}, state, starts, True)
        observation, reward, ends, _, _ = env.step(torch.as_tensor(actions))
        if step > DELAY:  # whoever begins in the middle has seen no cue
            right, asked = right + int(reward.sum()), asked + int(ends.sum())
        starts = np.ones(env.num_envs, bool) if forgets else ends.numpy()
    return right / asked
