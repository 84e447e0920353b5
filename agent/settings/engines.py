"""Where a policy learns what it is asked to do in one of BabyAI's levels: in minigrid, or in the level's batched twin.

The option `engine` of such a level says which: "rooms" for the twin, which has the same rules and plays thousands of
steps a second, or "minigrid". It is decided when a training begins and stands in its config.json. What was learned is
judged in minigrid itself, whichever it was.
"""

from collections.abc import Mapping
from typing import Any

from ...envs.registry import MINIGRID
from ...envs.rooms.levels.twins import twin_of
from ...perception.errors import ConfigError

ENGINE, ROOMS, MINIGRID_ITSELF = "engine", "rooms", "minigrid"

_SAME = {"view": "grid", "compass": None}
"""Options of the adapter that the twin can follow; with the only value that it knows, or None for any."""


def with_engine(env_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a new training, with its engine decided: the twin, where there is one that senses the same.

    Raises:
        ConfigError: another engine is asked for, or the twin is and cannot do what the other options say.
    """
    asked = options.get(ENGINE)
    if not env_id.startswith(MINIGRID):
        return dict(options)
    if asked not in (None, ROOMS, MINIGRID_ITSELF):
        raise ConfigError(f'`engine` must be "{ROOMS}" or "{MINIGRID_ITSELF}"; got {asked!r}.')
    others = [
        name
        for name, value in options.items()
        if name != ENGINE and (name not in _SAME or _SAME[name] not in (None, value))
    ]
    can = twin_of(env_id) is not None and not others
    if asked == ROOMS and not can:
        why = f"cannot take the option {others[0]}" if others else "is there for 38 of BabyAI's levels"
        raise ConfigError(f'`engine` "{ROOMS}" {why}; leave it out, and {env_id} is played in minigrid itself.')
    if asked is None and not can:
        return dict(options)
    return dict(options) | {ENGINE: asked or ROOMS}


def learned_in(env_id: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The environment in which a training with these options learns, and its options."""
    twin = twin_of(env_id) if options.get(ENGINE) == ROOMS else None
    if twin is None:
        return env_id, dict(options)
    senses = ["grid", "instruction", *(["compass"] if options.get("compass") else [])]
    return twin[0], twin[1] | {"senses": ",".join(senses)}
