"""`EpisodeTally`: sums of rewards, steps and successes of the episodes that end, counted on the device.

The host learns of them when it reads, once a rollout. b environments, t steps
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .sources import StepOutcome


class Ended(NamedTuple):
    """One episode that is over."""

    reward: float
    steps: int
    success: bool | None
    told: Mapping[str, Any] | None
    """What a monitor tells of it: its keywords, its time; None where there is none."""


class EpisodeTally:
    """Counts while environments are stepped.

    Args:
        num_envs: b.
        device: of the outcomes.
    """

    def __init__(self, num_envs: int, device: torch.device) -> None:
        self._returns: Float[Tensor, " b"] = torch.zeros(num_envs, device=device)
        self._lengths: Int[Tensor, " b"] = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self._noted: list[Float[Tensor, "4 b"]] = []
        self._told: list[Mapping[int, Mapping[str, Any]]] = []

    def restart(self) -> None:
        """Every environment begins an episode; what was noted and not read is forgotten."""
        self._returns.zero_()
        self._lengths.zero_()
        self._forget()

    def _forget(self) -> None:
        self._noted.clear()
        self._told.clear()

    def note(self, outcome: StepOutcome) -> None:
        """Counts one step."""
        self._returns += outcome.reward
        self._lengths += 1
        returns = self._returns if outcome.returns is None else outcome.returns
        lengths = self._lengths if outcome.lengths is None else outcome.lengths
        success = torch.full_like(self._returns, torch.nan) if outcome.success is None else outcome.success
        self._noted.append(torch.stack([outcome.is_over.float(), returns.float(), lengths.float(), success]))
        self._told.append(outcome.told)
        self._returns = torch.where(outcome.is_over, 0.0, self._returns)
        self._lengths = torch.where(outcome.is_over, 0, self._lengths)

    def read(self) -> list[Ended]:
        """The episodes that ended since the last call, in the order of steps; waits for the device once."""
        if not self._noted:
            return []
        whole = torch.stack(self._noted).cpu()  # t 4 b
        steps, rows = whole[:, 0].nonzero(as_tuple=True)
        facts = whole[steps, 1:, rows].tolist()
        told = [self._told[step].get(row) for step, row in zip(steps.tolist(), rows.tolist(), strict=True)]
        self._forget()
        return [
            Ended(r, int(l), None if success != success else success > 0.5, more)
            for (r, l, success), more in zip(facts, told, strict=True)
        ]

    def state(self) -> dict[str, Tensor]:
        """What the episodes that go on have so far, b rows each."""
        return {"returns": self._returns.clone(), "lengths": self._lengths.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from `state`."""
        self._returns = state["returns"].to(self._returns)
        self._lengths = state["lengths"].to(self._lengths)
        self._forget()
