"""`LEVELS`, every level by its name, and `make_level`, which makes one from options that a user wrote.

Data and look-ups only: a level's own file, and torch with it, is imported when the level is made or asked about. Levels
of a user's own join by `senseweave.envs.register_level` (registration.py), or as entry points `senseweave.levels`.
"""

import inspect
from typing import TYPE_CHECKING, Any

from ....perception.errors import did_you_mean, unknown_option
from ....perception.registry import Registry

if TYPE_CHECKING:
    import torch

    from .level import Level

LEVELS: "Registry[type[Level]]" = Registry(
    "level",
    {
        "GoToRedBallGrey": ".one_room:GoToRedBallGrey",
        "GoToRedBall": ".one_room:GoToRedBall",
        "GoToRedBallNoDists": ".one_room:GoToRedBallNoDists",
        "GoToObj": ".one_room:GoToObj",
        "GoToLocal": ".one_room:GoToLocal",
        "PickupLoc": ".one_room:PickupLoc",
        "PutNextLocal": ".one_room:PutNextLocal",
        "GoToDoor": ".four_doors:GoToDoor",
        "OpenDoor": ".four_doors:OpenDoor",
        "GoTo": ".many_rooms:GoTo",
        "Pickup": ".many_rooms:Pickup",
        "Open": ".many_rooms:Open",
        "Seek": ".seek:Seek",
        "SeekSeen": ".seek:SeekSeen",
        "SeekHeard": ".seek:SeekHeard",
        "SeekSpoken": ".seek:SeekSpoken",
        "SeekGrounded": ".seek_grounded:SeekGrounded",
    },
    __package__,
)
"""Name -> class; the id of "Seek" is "senseweave/Seek-v0"."""

OWN_LEVELS = frozenset(LEVELS)
"""Those that come with senseweave; others may join `LEVELS` later."""


def make_level(name: str, device: "torch.device | str" = "cpu", **options: Any) -> "Level":
    """Makes a level.

    Args:
        name: a key of `LEVELS`.
        device: where its tables are and where it makes its states.
        **options: arguments of the level's class, such as `room_size`, `objects`, `size` or `split`.

    Raises:
        UnknownNameError: there is no such level.
        ConfigError: the level has no such option, or its value is out of range.
    """
    known = level_options(name)
    for option in options:
        if option not in known:
            raise unknown_option(f'"{name}"', option, did_you_mean(option, known))
    make: Any = LEVELS[name]
    return make(device=device, **options)


def level_options(name: str) -> tuple[str, ...]:
    """The names of a level's options.

    Raises:
        UnknownNameError: there is no such level.
    """
    return tuple(option for option in inspect.signature(LEVELS[name]).parameters if option != "device")
