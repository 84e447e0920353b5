"""The ids of Rooms for Gymnasium and for the listing, as data: torch is imported when one of them is made."""

import warnings
from typing import TYPE_CHECKING

from ...perception.errors import ConfigError
from ..registry import register
from .levels.registry import LEVELS

if TYPE_CHECKING:
    from .levels.level import Level

WRITTEN: tuple[str, ...] = ("audio", "camera", "instruction")
SPOKEN: tuple[str, ...] = ("audio", "camera")
"""What is sensed without options where the instruction is written, and where it is spoken."""

ENTRY_POINT = "senseweave.envs.rooms.env:RoomsEnv"
VECTOR_ENTRY_POINT = "senseweave.envs.rooms.array_vector_env:make_vector_env"
"""How Gymnasium's registry names one room, and a batch of them."""

_SENSES = {"SeekSpoken": SPOKEN}
"""Level -> what is sensed without options, where that is not `WRITTEN`."""


def rooms_id(level: str) -> str:
    """The id of a level: "senseweave/Seek-v0"."""
    return f"senseweave/{level}-v0"


def register_level(name: str, target: "type[Level] | str", *, senses: tuple[str, ...] | None = None) -> None:
    """Adds a level of your own, which then works wherever ours do, as "senseweave/<name>-v0".

    By `gymnasium.make` and `make_vec`, `senseweave.envs.make`, `RoomsVectorEnv(name)`, and in every command of
    `senseweave` that is given `--env your_package:senseweave/<name>-v0`, where importing your package calls this. An
    installed package can declare it instead, as an entry point in the group `senseweave.levels`; its id needs no
    prefix.

    Args:
        name: letters, digits and underscores.
        target: the class, or "module:Class", which is imported when a level is made.
        senses: what it senses without options, for the listing; camera, audio and instruction where nothing is said,
            without the instruction where the class says that it is spoken.

    Raises:
        ConfigError: there is another level of that name, or the name cannot be an id.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"A level's name must be of letters, digits and underscores, as its id is; got {name!r}.")
    is_new = name not in LEVELS
    LEVELS.register(name, target)
    if is_new:
        _register_id(name, senses or (SPOKEN if getattr(target, "spoken", False) else WRITTEN))


def register_rooms() -> None:
    """Registers every level, those of installed packages included, for `gymnasium.make` and `gymnasium.make_vec`."""
    for name in LEVELS.all_names():
        if name.isidentifier():
            _register_id(name, _SENSES.get(name, WRITTEN))
        else:
            warnings.warn(f'The level "{name}" of an installed package has a name that cannot be an id.', stacklevel=2)


def _register_id(level: str, senses: tuple[str, ...]) -> None:
    register(
        rooms_id(level),
        senses=senses,
        entry_point=ENTRY_POINT,
        vector_entry_point=VECTOR_ENTRY_POINT,
        kwargs={"level": level},
    )
