"""How well a policy knows what was done in episodes of a dataset that it never learned from."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from ...envs.datasets import Episode, Episodes
from ...perception.spec import PRESENT
from ...policies.policy import SensePolicy

MAX_EPISODES = 64
"""So many of the held-out episodes make a point of the curve: the first ones."""

CHUNK = 512
"""Steps that are judged at once, where nothing has to be remembered."""


class HeldOutSteps:
    """Judges held-out episodes.

    Args:
        episodes: they have actions.
    """

    def __init__(self, episodes: Episodes) -> None:
        self._episodes = [episode for episode in episodes[:MAX_EPISODES] if episode.actions is not None]
        self._is_discrete = isinstance(episodes.action_space, spaces.Discrete)

    @torch.no_grad()
    def figures(self, policy: SensePolicy) -> dict[str, float]:
        """Means over the steps.

        Returns:
            "log_likelihood" of what was done, in nats (of a density, where actions are numbers), and, where actions
            are choices, "agreement": how often that is the most probable one.
        """
        total = torch.zeros(2, dtype=torch.float64)
        steps = 0
        for episode in self._episodes:
            size = CHUNK if policy.memory is None else len(episode)
            for first in range(0, len(episode), size):
                part = slice(first, min(first + size, len(episode)))
                total += self._judge(policy, episode, part)
            steps += len(episode)
        likelihood, agreement = (total / max(1, steps)).tolist()
        return {"log_likelihood": likelihood} | ({"agreement": agreement} if self._is_discrete else {})

    @staticmethod
    def _judge(policy: SensePolicy, episode: Episode, part: slice) -> Tensor:
        """Sums over some steps of an episode; all of them, where the policy remembers."""
        names = [name for name in episode.observations if name != PRESENT]
        seen = {
            name: torch.as_tensor(np.ascontiguousarray(episode.observations[name][part]), device=policy.device)
            for name in (*names, PRESENT)
        }
        done = policy.as_learned(torch.as_tensor(np.asarray(episode.actions)[part], device=policy.device))
        starts = torch.zeros(len(done), 1, dtype=torch.bool, device=policy.device)
        starts[0] = True
        judgement, _ = policy.judge(policy.perceive(seen), policy.first_state(1), starts)
        distribution = policy.distribution(judgement)
        agrees = (distribution.mode().reshape(done.shape) == done).view(len(done), -1).all(dim=1)
        return torch.stack([distribution.log_prob(done).sum(), agrees.sum()]).double().cpu()
