"""Kinds of senses by name: what one reading is, as data. Each is a file; the networks that read them are in encoders/.

The names are those in saved specs. A user's own kind joins by `register_kind`, or by an entry point of an installed
package in the group `senseweave.kinds`.
"""

import dataclasses
from typing import TypeVar

from ..errors import SpecError
from ..registry import Registry
from .base import Kind

KINDS: Registry[type[Kind]] = Registry(
    "kind",
    {
        "Camera": ".camera:Camera",
        "Depth": ".depth:Depth",
        "Microphone": ".microphone:Microphone",
        "Instruction": ".instruction:Instruction",
        "Vector": ".vector:Vector",
        "Grid": ".grid:Grid",
    },
    __package__,
)
"""Name -> class, for reading specs from JSON. `register_kind` adds to it."""

Class = TypeVar("Class", bound=type[Kind])


def register_kind(kind: Class) -> Class:
    """Class decorator that makes a user's own kind known by its class name, so that saved specs can be read back.

    Raises:
        SpecError: another class already has that name, or the class is not a frozen dataclass.
    """
    if not (isinstance(kind, type) and issubclass(kind, Kind) and dataclasses.is_dataclass(kind)):
        raise SpecError(f"A kind must be a frozen dataclass that inherits from Kind; got {kind!r}.")
    known = KINDS.get(kind.__name__, kind)
    if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise SpecError(f'A kind named "{kind.__name__}" exists already ({known.__module__}); choose another name.')
    KINDS[kind.__name__] = kind
    return kind
