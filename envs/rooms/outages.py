"""Senses that fail in the simulator: `OutageProcess` over a batch of lives, with random numbers of its own.

The chance numbers are hashes of the life and of the step, in a stream apart from the world's, so a world lives the same
life with and without outages. What an absent sense leaves in the observation is decided here too: zeros.

b environments, s senses, c chains (one for each sense, and a last one that takes all of them)
"""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...perception.errors import ConfigError
from ...perception.spec import PRESENT
from ..wrappers import OUTAGE_STREAM, OutageProcess
from .random import child_key, draw_uniform, life_key
from .state import RoomsState


class RoomsOutages:
    """Which senses are gone in each environment, step by step.

    Args:
        names: the senses, in the order of the mask.
        rates: sense -> fraction of time that it is gone, 0..1; or one number for every sense.
        mean_steps: mean length of an outage in steps, at least 1; or "episode", for whole episodes.
        all_at_once: fraction of time that every sense is gone together, on top of the rates.
        device: where the environments are.

    Attributes:
        is_out: chains that are out now, (b, c); after `begin`.
        key: of each environment's stream, (b,); after `begin`.

    Raises:
        ConfigError: a number is out of range, or outages are so frequent and short that no chain can make them.
        SpecError: a rate is given for a sense that is not there.
    """

    is_out: Bool[Tensor, "b c"]
    key: Int[Tensor, " b"]

    def __init__(
        self,
        names: tuple[str, ...],
        rates: Mapping[str, float] | float,
        mean_steps: float | Literal["episode"],
        all_at_once: float,
        device: torch.device,
    ) -> None:
        self.process = _checked_process(names, rates, mean_steps, all_at_once).on(device)
        self.names = names
        self._lasts_the_episode = mean_steps == "episode"
        self._chain = torch.arange(self.process.chains, device=device)

    def begin(self, state: RoomsState) -> None:
        """Decides for the first observation of every environment's episode."""
        self.key, self.is_out = self._first(state)

    def begin_rows(self, which: Int[Tensor, " k"], rows: RoomsState) -> None:
        """Decides for the first observation of the episodes `rows`, which stand at `which` from now on."""
        key, is_out = self._first(rows)
        self.key.index_copy_(0, which, key)
        self.is_out.index_copy_(0, which, is_out)

    def advance(self, state: RoomsState) -> None:
        """Decides for the observation after a step; `state.step_count` counts that step already."""
        if not self._lasts_the_episode:
            self.is_out = self.process.advance(self.is_out, self._uniform(self.key, state.step_count))

    def absent(self) -> Bool[Tensor, "b s"]:
        """Which senses are gone now."""
        return self.process.absent(self.is_out)

    def _first(self, state: RoomsState) -> tuple[Int[Tensor, " b"], Bool[Tensor, "b c"]]:
        key = child_key(life_key(state.seed, state.index, state.episode), OUTAGE_STREAM)
        return key, self.process.start(self._uniform(key, state.step_count))

    def _uniform(self, key: Int[Tensor, " b"], step: Int[Tensor, " b"]) -> Float[Tensor, "b c"]:
        chains = self.process.chains
        return draw_uniform(key[:, None].expand(-1, chains), step[:, None] * chains + self._chain)


def zero_absent(observation: dict[str, Tensor], names: tuple[str, ...], absent: Bool[Tensor, "b s"]) -> None:
    """Puts zeros in the place of absent senses, and into the mask, in place."""
    for number, name in enumerate(names):
        content, is_absent = observation[name], absent[:, number]
        if content.is_cuda:  # without asking how many there are, which would wait for the device
            content.masked_fill_(is_absent.view(-1, *[1] * (content.dim() - 1)), 0)
        else:
            content.index_fill_(0, is_absent.nonzero()[:, 0], 0)
    observation[PRESENT].masked_fill_(absent, 0)


def _checked_process(names: tuple[str, ...], rates: Any, mean_steps: Any, all_at_once: Any) -> OutageProcess:
    numbers = [*rates.values()] if isinstance(rates, Mapping) else [rates]
    for option, value in [*(("outages", number) for number in numbers), ("all_at_once", all_at_once)]:
        if not _is_number(value):
            raise ConfigError(f"`{option}` must be a rate in 0..1, or one for each sense; got {value!r}.")
    if mean_steps != "episode" and not _is_number(mean_steps):
        raise ConfigError(f'`outage_steps` must be at least 1 step, or "episode"; got {mean_steps!r}.')
    try:
        return OutageProcess(names, rates, mean_steps, all_at_once)
    except ConfigError as error:  # this option has another name there
        raise ConfigError(str(error).replace("`mean_steps`", "`outage_steps`")) from None


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
