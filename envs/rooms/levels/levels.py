"""`LEVELS`, every level by its name, and `make_level`, which makes one from options that a user wrote."""

import inspect
from typing import Any

import torch

from ....perception.errors import ConfigError, did_you_mean, unknown_name
from .four_doors import GoToDoor, OpenDoor
from .level import Level
from .many_rooms import GoTo, Open, Pickup
from .one_room import GoToLocal, GoToObj, GoToRedBall, GoToRedBallGrey, GoToRedBallNoDists, PickupLoc, PutNextLocal
from .seek import Seek, SeekHeard, SeekSeen, SeekSpoken
from .seek_grounded import SeekGrounded

LEVELS: dict[str, type[Level]] = {
    level.__name__: level
    for level in (
        GoToRedBallGrey,
        GoToRedBall,
        GoToRedBallNoDists,
        GoToObj,
        GoToLocal,
        PickupLoc,
        PutNextLocal,
        GoToDoor,
        OpenDoor,
        GoTo,
        Pickup,
        Open,
        Seek,
        SeekSeen,
        SeekHeard,
        SeekSpoken,
        SeekGrounded,
    )
}
"""Name -> class; a name is the class's own."""


def make_level(name: str, device: torch.device | str = "cpu", **options: Any) -> Level:
    """Makes a level.

    Args:
        name: a key of `LEVELS`.
        device: where its tables are and where it makes its states.
        **options: arguments of the level's class, such as `room_size`, `objects`, `size` or `split`.

    Raises:
        UnknownNameError: there is no such level.
        ConfigError: the level has no such option, or its value is out of range.
    """
    if name not in LEVELS:
        raise unknown_name("The level", name, LEVELS)
    known = level_options(name)
    for option in options:
        if option not in known:
            raise ConfigError(f"`{option}` is not an option of {name}; {did_you_mean(option, known)}")
    return LEVELS[name](device=device, **options)


def level_options(name: str) -> tuple[str, ...]:
    """The names of a level's options."""
    return tuple(option for option in inspect.signature(LEVELS[name]).parameters if option != "device")
