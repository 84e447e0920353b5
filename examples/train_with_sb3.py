"""Train with stable-baselines3 itself: senseweave brings the environment, the features extractor and the settings.

python examples/train_with_sb3.py [STEPS]
"""

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from senseweave.envs import make
from senseweave.policies.presets import ppo_settings


def main(steps: int = 160_000) -> None:
    """Trains, then prints the success of the last hundred episodes."""
    envs = VecMonitor(DummyVecEnv([lambda: make("BabyAI-GoToRedBallGrey-v0") for _ in range(16)]))
    spec = envs.get_attr("senses")[0]
    model = PPO("MultiInputPolicy", envs, seed=0, **ppo_settings(spec))
    model.learn(steps, progress_bar=False)
    episodes = model.ep_info_buffer or []
    print(f"{sum(episode['r'] > 0 for episode in episodes)} of the last {len(episodes)} episodes reached the ball")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
