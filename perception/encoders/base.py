"""`Encoder`: what `Perception` asks of a network that turns one sense into tokens, and of plain modules in its place.

An encoder never sees whether its sense is absent: what it gets is clean, and its tokens are masked afterwards.

b batch
"""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeGuard

from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ..kinds.base import Kind
from ..observation.layout import READING, StandIn
from ..tokens import TokenGroup

Way = Callable[[Any, Mapping[str, Tensor]], TokenGroup]
"""Calls an encoder with the clean parts of its sense."""


class Encoder(nn.Module):
    """Base of encoders that can work ahead, and then take other things than whole readings.

    An encoder that takes whole readings need not inherit from it: any `nn.Module` will do that is made as
    `Encoder(kind, width)` and whose `forward(readings)` returns a `TokenGroup`.

    Set these in ALL subclasses: `stand_ins`, `encode`, and at least one of `digest` and `condense`.
    A subclass that overrides `forward` and not `encode` is asked for whole readings alone: what was worked out ahead
    would pass its forward by.

    Attributes:
        digests: whether `digest` does anything.
    """

    digests: ClassVar[bool] = False

    def stand_ins(self) -> tuple[StandIn, ...]:
        """What may stand in the place of a reading; a part of it has the key "<sense>_<part>" in an observation."""
        return ()

    def encode(self, clean: Mapping[str, Tensor]) -> TokenGroup:
        """Encodes what stands for the sense in a cleaned observation.

        Args:
            clean: `READING` or the parts of a stand-in, and what came beside the reading (a recording's `length`).
                What is absent or not finite is zeros.
        """
        raise NotImplementedError

    def digest(self, readings: Shaped[Tensor, "b ..."]) -> dict[str, Float[Tensor, "b ..."]]:
        """The work that learns nothing, done once for a batch that will be perceived several times.

        Returns:
            The parts of a stand-in from which `encode` makes the same tokens, bit for bit.
        """
        raise NotImplementedError

    def condense(
        self, readings: Shaped[Tensor, "b ..."], here: Bool[Tensor, " b"] | None, samples: int
    ) -> dict[str, Tensor] | None:
        """What many samples have in common, worked out once. May wait for the device.

        Args:
            readings: of all samples.
            here: which of them count; the others must leave no trace. None counts all.
            samples: how many will be perceived at a time.

        Returns:
            The parts of a stand-in from which `encode` makes the same tokens but for rounding, also from some rows of
            it; None where that does not pay.
        """
        return None


def works_ahead(encoder: nn.Module) -> TypeGuard[Encoder]:
    """Whether an encoder may be asked for more than whole readings."""
    return isinstance(encoder, Encoder) and issubclass(_owner(encoder, "encode"), _owner(encoder, "forward"))


def way_to_encode(encoder: nn.Module, kind: Kind) -> Way:
    """How an encoder is called with what stands for its sense.

    A module that takes whole readings gets what came beside them too, None for what did not, as far as its `forward`
    has arguments for it.
    """
    if works_ahead(encoder):
        return type(encoder).encode
    return functools.partial(_encode_reading, beside=kind.beside[: _places(encoder.forward) - 1])


def _encode_reading(encoder: nn.Module, clean: Mapping[str, Tensor], beside: tuple[str, ...]) -> TokenGroup:
    return encoder(clean[READING], *(clean.get(part) for part in beside))


def _places(function: Callable[..., Any]) -> int:
    """How many arguments a function takes without their names."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return sys.maxsize
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters
    )


def _owner(encoder: nn.Module, method: str) -> type:
    """The class that an encoder has a method from."""
    return next(owner for owner in type(encoder).__mro__ if method in vars(owner))
