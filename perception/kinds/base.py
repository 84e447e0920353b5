"""`Kind`: what one reading of a sense is, how it is drawn and how a recording keeps it. Data, no network.

numpy and gymnasium only, so that environments can import kinds cheaply.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..checks import require_whole
from ..errors import SpecError
from .drawing import rows_of_values, share_of_limits

Picture = NDArray[np.uint8]
"""(height, width, 3), RGB."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of sense. Subclass as a frozen dataclass, decorate with `register_kind`, and give it an encoder.

    Set these in ALL subclasses: `dtype` and `space`. Everything else follows from the space; override it where you know
    better.

    Attributes:
        dtype: of a reading.
        is_text: whether a reading is the token ids of a text: zeros at its end are padding that may be left out, and it
            holds until there is another one, however old it is.
        beside: what comes along with a reading in an observation, a whole number of at least 0 for each sample, under
            the key "<sense>_<name>" (a recording's `length`).
        instead: what an encoder may put in the place of a reading, under keys of the same form; no other sense can be
            called so.
    """

    dtype: ClassVar[type[np.generic]]
    is_text: ClassVar[bool] = False
    beside: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[tuple[str, ...]] = ()

    def space(self) -> spaces.Box:
        """The Gymnasium box of one reading, without a batch axis."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one reading, without a batch axis."""
        return self.space().shape

    def placeholder(self) -> NDArray[Any]:
        """The reading that stands for an absent sense: zeros."""
        return np.zeros(self.shape, self.dtype)

    def draw(self, reading: NDArray[Any]) -> Picture | None:
        """A picture of a reading, of any size, for people; None where there is nothing to see, as in a text.

        The default shows rows of values, the brighter the higher: a scan is a line, a matrix a grey picture, and what
        has a third axis is coloured by its first three channels.
        """
        box = self.space()
        return rows_of_values(share_of_limits(reading, box.low, box.high))

    def pack(self, reading: NDArray[Any]) -> dict[str, Any]:
        """A reading as a recording keeps it: plain JSON values, and under "data" bytes, if there are any.

        `unpack` must give the same reading back, bit for bit.
        """
        return {"data": reading.tobytes(), "format": reading.dtype.str}

    def unpack(self, packed: Mapping[str, Any]) -> NDArray[Any]:
        """The reading that was packed.

        Raises:
            KeyError, TypeError, ValueError: this is none.
        """
        return np.frombuffer(packed["data"], np.dtype(self.dtype)).reshape(self.shape)

    def to_json(self) -> dict[str, Any]:
        """This kind as plain JSON values."""
        fields = dataclasses.asdict(self)
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in fields.items()}
        return {"kind": type(self).__name__, **plain}


def require_positive(kind: Kind, *fields: str) -> None:
    """Checks that fields of a kind are whole numbers of at least 1.

    Raises:
        SpecError: one is not.
    """
    for field in fields:
        require_whole(field, getattr(kind, field), 1, of=type(kind).__name__, error=SpecError)
