"""Train on the device, with a memory: the simulator's tensors go to the policy without a copy.

python examples/train_with_memory.py [STEPS]
"""

import sys
from typing import Any

import gymnasium

import senseweave.envs  # noqa: F401  (registers senseweave/...)
from senseweave.policies import PPO, imitate, ppo_settings


def main(steps: int = 200_000) -> None:
    """Imitates the simulator's expert for a while, goes on by PPO, then prints the success of the last episodes."""
    env: Any = gymnasium.make_vec("senseweave/GoToObj-v0", num_envs=64, senses=("grid", "instruction"))
    settings = ppo_settings(env.senses)
    settings["policy_kwargs"]["memory"] = "gru"
    model = PPO("MultiInputPolicy", env, seed=0, **settings)
    imitate(model.policy, env, None, steps=steps // 4)
    model.learn(steps)
    results = model.ep_success_buffer or []
    print(f"{sum(results)} of the last {len(results)} episodes were solved, after {model.num_timesteps:,} steps")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
