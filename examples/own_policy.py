"""Plug the perception into a policy of your own: plain PyTorch, here trained to imitate BabyAI's bot.

python examples/own_policy.py [EPISODES]
"""

import sys

import torch
from minigrid.utils.baby_ai_bot import BabyAIBot
from torch import nn

from senseweave.envs import make
from senseweave.perception import Perception


def demonstrations(level: str, episodes: int) -> tuple[list[dict], list[int]]:
    """Observations and the bot's actions."""
    env, observations, actions = make(level), [], []
    for seed in range(episodes):
        obs, _ = env.reset(seed=seed)
        bot, action, done = BabyAIBot(env.unwrapped), None, False
        while not done:
            action = bot.replan(action)
            observations.append(obs)
            actions.append(int(action))
            obs, _, terminated, truncated, _ = env.step(action)
            done = terminated or truncated
    return observations, actions


def main(episodes: int = 400) -> None:
    """Trains on most of the demonstrations and prints the agreement with the bot on the rest."""
    torch.manual_seed(0)
    level = "BabyAI-GoToLocal-v0"
    observations, actions = demonstrations(level, episodes)
    perception = Perception(make(level).get_wrapper_attr("senses"))
    policy = nn.Sequential(nn.Linear(perception.config.state_dim, 64), nn.Tanh(), nn.Linear(64, 7))
    raw = {key: torch.stack([torch.as_tensor(obs[key]) for obs in observations]) for key in observations[0]}
    obs, target = perception.prepare(raw), torch.tensor(actions)
    train = int(0.9 * len(target))
    optimizer = torch.optim.Adam([*perception.parameters(), *policy.parameters()], lr=1e-3, fused=True)
    for _ in range(20 * train // 128):
        batch = torch.randint(train, (128,))
        logits = policy(perception({key: value[batch] for key, value in obs.items()}).embedding)
        loss = nn.functional.cross_entropy(logits, target[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        held_out = policy(perception({key: value[train:] for key, value in obs.items()}).embedding).argmax(dim=1)
    print(f"agrees with the bot in {(held_out == target[train:]).float().mean():.0%} of {len(held_out)} new situations")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
