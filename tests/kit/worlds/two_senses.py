"""An environment of two senses of which one tells what to do and the other is noise, and policies that learn in it."""

import functools
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from senseweave.envs import make
from senseweave.perception import PerceptionConfig
from senseweave.policies import PPO
from senseweave.policies.presets import policy_settings

WORLD = "SenseWorld-v0"


class SenseWorld(gymnasium.Env):
    """An episode is one step: 1 for the action that `touch` tells; `smell` tells nothing."""

    observation_space = spaces.Dict(
        {"smell": spaces.Box(-2, 2, (2,), np.float32), "touch": spaces.Box(-2, 2, (2,), np.float32)}
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.cue = int(self.np_random.integers(2))
        self.seen = {
            "smell": self.np_random.normal(size=2).clip(-2, 2).astype(np.float32),
            "touch": np.array([2 * self.cue - 1, 1], np.float32),
        }
        return self.seen, {}

    def step(self, action):
        is_right = int(action) == self.cue
        return self.seen, float(is_right), True, False, {"is_success": is_right}


def register() -> None:
    """Makes it known to Gymnasium, once."""
    if WORLD not in gymnasium.registry:
        gymnasium.register(WORLD, entry_point=SenseWorld)


def _beginner(fusion: str, memory: str) -> PPO:
    register()
    env = make(WORLD)
    config = PerceptionConfig(fusion=fusion, width=16, latents=2, heads=2, state_dim=16)
    kwargs = policy_settings(env.get_wrapper_attr("senses"), config) | {"net_arch": [16], "memory": memory}
    return PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, seed=0, device="cpu", policy_kwargs=kwargs)


@functools.cache
def _learned(fusion: str, memory: str, updates: int) -> dict[str, torch.Tensor]:
    """The weights of `learner`, which several tests of one process share."""
    model = _beginner(fusion, memory)
    policy, generator = model.policy, torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(policy.parameters(), 5e-3)
    for _ in range(updates):
        cue = torch.randint(2, (64,), generator=generator)
        touch = torch.stack([2.0 * cue - 1.0, torch.ones(64)], dim=1)
        seen = {"smell": torch.randn(64, 2, generator=generator).clamp(-2, 2), "touch": touch}
        starts = torch.ones(1, 64, dtype=torch.bool)
        judgement, _ = policy.judge(policy.perceive(seen), policy.first_state(64), starts)
        loss = torch.nn.functional.cross_entropy(judgement.logits, cue)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy.state_dict()


def learner(fusion: str = "concat", memory: str = "none", updates: int = 150) -> PPO:
    """A policy that has learned from examples to do what it touches; a new one each time."""
    model = _beginner(fusion, memory)
    model.policy.load_state_dict(_learned(fusion, memory, updates))
    return model


@torch.no_grad()
def cut(model: PPO, name: str) -> None:
    """Takes a sense's weights out of a policy with the fusion "concat": nothing of it reaches the state any more."""
    fusion = model.policy.features_extractor.perception.fusion
    each = fusion.mix[0].in_features // len(fusion.names)
    place = fusion.names.index(name)
    fusion.mix[0].weight[:, place * each : (place + 1) * each] = 0.0


def saved(model: PPO, folder: Path) -> str:
    """Its folder, as commands take it."""
    model.save(folder)
    return str(folder)
