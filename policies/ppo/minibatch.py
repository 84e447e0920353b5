"""Minibatches of a rollout: single samples in any order, or whole environments where a memory needs the order.

t steps, b environments, k samples of a minibatch, r rows (samples, or environments)
"""

import dataclasses
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..policy import Observation
from .rollout import Rollout

MIN_ROWS = 32
"""A thread that gets fewer samples than this costs more than it helps."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """Some samples of a rollout, flat; with a memory step by step, k = t * r.

    Args:
        observations: as they were seen; for the auxiliary losses.
        readings: the same as the policy takes them: grids may be condensed (`Perception.condense`).
        actions: what was done, or what is to be imitated.
        log_probs, values: the policy's when it acted.
        advantages, returns: see `Rollout`.
        missions: numbers of the instructions; 0 where nobody says.
        state: the memory's before the first step, (r, s); None without a memory.
        starts: first steps of an episode, (t, r); None without a memory.
    """

    observations: Observation
    readings: Observation
    actions: Tensor
    log_probs: Float[Tensor, " k"]
    values: Float[Tensor, " k"]
    advantages: Float[Tensor, " k"]
    returns: Float[Tensor, " k"]
    missions: Int[Tensor, " k"]
    state: Float[Tensor, "r s"] | None
    starts: Bool[Tensor, "t r"] | None


class Minibatches:
    """Divides a rollout.

    Args:
        rollout: finished.
        batch_size: samples of a minibatch; the last one has what is left. With a memory as many whole environments as
            that makes, roughly, and at least one.
    """

    def __init__(self, rollout: Rollout, batch_size: int) -> None:
        self.rollout = rollout
        self.by_environment = rollout.memory is not None
        self._count = rollout.num_envs * (1 if self.by_environment else rollout.length)
        steps = rollout.length if self.by_environment else 1
        self._size = max(1, round(batch_size / steps))
        self._observations = rollout.observations(rollout.longest_instruction())
        samples = self._size * (rollout.length if self.by_environment else 1)
        self._condensed = rollout.condensed(self._observations, samples)

    def shape_of(self, rows: Int[Tensor, " r"]) -> tuple[object, ...]:
        """Whether a compiled policy has met such rows depends on their number and on the readings' names and widths."""
        widths = {name: part.shape[2:] for name, part in (self._observations | self._condensed.rows).items()}
        shared = {name: part.shape for name, part in self._condensed.shared.items()}
        return len(rows), *(widths | shared).items()

    @property
    def min_rows(self) -> int:
        """The fewest rows that are worth a thread of their own."""
        return max(1, MIN_ROWS // self.rollout.length) if self.by_environment else MIN_ROWS

    def shuffled(self) -> Iterator[Int[Tensor, " r"]]:
        """All rows in a random order, drawn from torch's generator, one minibatch after the other."""
        yield from torch.randperm(self._count, device=self.rollout.device).split(self._size)

    def take(self, whole: Tensor, rows: Int[Tensor, " r"]) -> Tensor:
        """Rows of a tensor (t, b, ...), flat: (k, ...)."""
        whole = whole[: self.rollout.length]
        return whole[:, rows].flatten(0, 1) if self.by_environment else whole.flatten(0, 1)[rows]

    def samples(self, rows: Int[Tensor, " r"]) -> Samples:
        """What the rows hold."""
        rollout, memory = self.rollout, self.rollout.memory
        observations = {name: self.take(part, rows) for name, part in self._observations.items()}
        condensed = {name: self.take(part, rows) for name, part in self._condensed.rows.items()}
        as_they_are = {name: part for name, part in observations.items() if name not in self._condensed.replaced}
        return Samples(
            observations,
            as_they_are | condensed | self._condensed.shared,
            self.take(rollout.actions, rows),
            self.take(rollout.log_probs, rows),
            self.take(rollout.values, rows),
            self.take(rollout.advantages, rows),
            self.take(rollout.returns, rows),
            self.take(rollout.missions, rows),
            None if memory is None else memory[rows],
            None if memory is None else rollout.starts[: rollout.length, rows],
        )
