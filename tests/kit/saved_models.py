"""A small model of the on-device PPO for tests, in a world that tells its state; used by several folders of tests."""

from pathlib import Path
from typing import Any

import torch

from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.policies import PPO, ppo_settings

SAVER = """
import sys, torch
from kit.saved_models import new_model
model = new_model()
step = int(sys.argv[2])
while True:
    step += 1
    model.num_timesteps = step
    for part in model.policy.state_dict().values():
        part.fill_(float(step))
    model.save(sys.argv[1])
    print(step, flush=True)
"""


def world(level: str = "GoToRedBallGrey", num_envs: int = 4, **options: Any) -> RoomsVectorEnv:
    """Rooms, seen as BabyAI shows them, so that steps cost little."""
    return RoomsVectorEnv(level, num_envs, "cpu", senses=("grid", "instruction"), **options)


def new_model(env: Any = None, **settings: Any) -> PPO:
    """A model with a memory, two threads, a falling learning rate and an auxiliary loss."""
    env = world() if env is None else env
    given: dict[str, Any] = ppo_settings(env.senses) | {"n_steps": 8, "batch_size": 16, "n_epochs": 2}
    given["policy_kwargs"]["memory"] = "gru"
    given |= {"auxiliary": {"instruction_words": 0.1}, "workers": 2, "seed": 5, "device": "cpu"}
    return PPO("MultiInputPolicy", env, **given | settings)


def everything(model: PPO) -> dict[str, torch.Tensor]:
    """All tensors that decide how training goes on, by name."""
    from senseweave.policies.saving import random_state
    from senseweave.policies.saving.optimizer_state import to_parts

    groups = {"policy": model.policy.state_dict(), "optimizer": to_parts(model.policy.optimizer)[0]}
    groups |= {"world": model.snapshot(), "random": random_state.capture()[1]}
    return {f"{group}.{name}": part for group, parts in groups.items() for name, part in parts.items()}


def train_a_saved_model(folder: str, out: str) -> None:
    """Loads, learns 64 steps and writes `everything` into a file; what a new process does in a test."""
    from senseweave.perception.files import write_tensors

    model = PPO.load(folder, world(), device="cpu")
    model.learn(64, reset_num_timesteps=False)
    counters = {"counters": torch.tensor([model.num_timesteps, model._n_updates, model._episode_num])}
    write_tensors(Path(out), everything(model) | counters, {})
