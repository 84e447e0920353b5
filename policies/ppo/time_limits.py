"""`TimeLimits`: what would have come after the steps at which a time limit cut episodes off.

Kept until there are as many as environments, or the rollout ends: many are judged as fast as few.

t steps, b environments, k episodes cut off in one step
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..policy import Observation, SensePolicy
from ..second_look import Percept
from .rollout import Rollout
from .sources import StepOutcome


class _Cut(NamedTuple):
    step: int
    rows: Int[Tensor, " k"]
    observation: Observation
    memory: Float[Tensor, "k s"] | None


class TimeLimits:
    """Adds the discounted value of an episode's last observation to the reward of the step before it.

    Args:
        policy: judges.
        rollout: that is played.
        rewards: which it is added to, (t, b).
        gamma: discount.
        perceive: perceives as many as act, as they do where they act.

    Source: Pardo et al. 2018 (time limits in reinforcement learning, arXiv 1712.00378), equation 4.
    """

    def __init__(
        self,
        policy: SensePolicy,
        rollout: Rollout,
        rewards: Float[Tensor, "t b"],
        gamma: float,
        perceive: Callable[[Observation], Percept],
    ) -> None:
        self._policy, self._rollout, self._rewards = policy, rollout, rewards
        self._gamma, self._perceive = gamma, perceive
        self._waiting: list[_Cut] = []

    def note(self, outcome: StepOutcome, memory: Float[Tensor, "b s"] | None) -> None:
        """Keeps what a step cut off, once it stands in the rollout; `memory` is that after it."""
        if outcome.final is None:
            return
        rows = cast(Tensor, outcome.cut_rows)
        kept = None if memory is None else memory[rows.clamp(min=0)]
        self._waiting.append(_Cut(self._rollout.length - 1, rows, self._rollout.pack(outcome.final), kept))

    def settle(self, min_waiting: int = 1) -> None:
        """Adds the values of what waits to the rewards, if at least so many episodes wait; draws nothing."""
        if sum(len(cut.rows) for cut in self._waiting) < min_waiting:
            return
        rows = torch.cat([cut.rows for cut in self._waiting])
        steps = torch.cat([torch.full_like(cut.rows, cut.step) for cut in self._waiting])
        seen = {
            name: torch.cat([cut.observation[name] for cut in self._waiting]) for name in self._waiting[0].observation
        }
        kept = [cut.memory for cut in self._waiting if cut.memory is not None]
        self._waiting.clear()
        values = self._values(seen, torch.cat(kept) if kept else None, len(rows))
        added = torch.where(rows >= 0, self._gamma * values, 0.0)  # on CUDA a row -1 was not cut off
        self._rewards.index_put_((steps, rows.clamp(min=0)), added, accumulate=True)

    def _values(self, seen: Observation, memory: Float[Tensor, "k s"] | None, count: int) -> Float[Tensor, " k"]:
        """Judges as many at a time as act, filled up with the first ones: torch compiles for few numbers of rows."""
        at_a_time, device = self._rollout.num_envs, self._rollout.device
        values = []
        for part in torch.arange(count + -count % at_a_time, device=device).remainder(count).split(at_a_time):
            asked = self._rollout.cut({name: whole[part] for name, whole in seen.items()})
            starts = torch.zeros(1, at_a_time, dtype=torch.bool, device=device)
            percept = self._perceive(asked)
            values.append(self._policy.judge(percept, None if memory is None else memory[part], starts)[0].values)
        return torch.cat(values)[:count]
