"""`Actor`: how the on-device PPO acts: one step of all environments, perceived by all threads.

b environments
"""

import torch
from torch import Tensor

from ..policy import Observation, SensePolicy
from ..second_look import Percept
from .learner import Acted, Underway
from .workers import Workers

MIN_ACTING_ROWS = 64
"""A thread that acts for fewer environments than this costs more than it helps: threads wait for the GIL."""


class Actor:
    """Acts by a policy, and learns nothing.

    Args:
        policy: draws the actions.
        workers: threads that share what is perceived.
        autocast: whether forward passes run in bfloat16 on CUDA.
    """

    def __init__(self, policy: SensePolicy, workers: Workers, *, autocast: bool) -> None:
        self.policy, self.workers = policy, workers
        self._autocasts = autocast and policy.device.type == "cuda"

    def act(self, observation: Observation, underway: Underway) -> Acted:
        """Draws an action for every environment; continuous ones are learned as drawn, and done within their bounds."""
        policy = self.policy
        percept = self.perceive(observation)
        actions, values, log_probs, memory = policy.act(percept, underway.memory, underway.starts)
        return Acted(policy.within_bounds(actions), actions, log_probs, values, memory)

    def perceive(self, observation: Observation) -> Percept:
        """What the policy perceives, b rows; the tokens are left out where nothing looks at them again."""
        policy = self.policy
        parts = self.workers.split(torch.arange(len(next(iter(observation.values())))), MIN_ACTING_ROWS)

        def work(rows: Tensor) -> Percept:
            begin, end = int(rows[0]), int(rows[-1]) + 1
            with torch.no_grad(), torch.autocast(policy.device.type, torch.bfloat16, enabled=self._autocasts):
                percept = policy.perceive({name: part[begin:end] for name, part in observation.items()})
                return (percept if policy.second_look is not None else percept._replace(tokens={})).float()

        shape = ("act", *((name, part.shape) for name, part in observation.items()))
        return Percept.cat(self.workers.map(work, parts, shape))
