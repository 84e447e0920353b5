"""What may be said to an agent: the missions of the level that it was trained in, or what most levels ask for.

Texts only. `speech.py` listens for them.
"""

from collections.abc import Mapping
from typing import Any

from .....perception.errors import SenseweaveError


def phrases_of(env_id: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The missions of an environment, or `common_phrases` where nobody can list them.

    Args:
        env_id: as a run names it. Only environments of senseweave's own are made; nothing else is imported for it.
        options: those that it was made with.
    """
    from ....registry import OURS, make

    if not env_id.startswith(OURS):
        return common_phrases()
    try:
        env = make(env_id, **options)
    except SenseweaveError:  # a run of another version, say: the agent can be told what agents are usually told
        return common_phrases()
    try:
        return tuple(env.get_wrapper_attr("instructions")) or common_phrases()
    except AttributeError:
        return common_phrases()
    finally:
        env.close()


def common_phrases() -> tuple[str, ...]:
    """What agents are told in Rooms and BabyAI: go to a thing, pick it up, open it, put it next to another one."""
    from ....rooms.codes import BALL, BOX, COLOURS, DOOR, KEY, SOUNDS
    from ....rooms.missions import ARTICLES, go_to, open_up, pick_up, put_next, sounding, thing

    colours = (None, *range(len(COLOURS)))
    doors = [thing(article, DOOR, colour) for article in ARTICLES for colour in colours]
    things = [thing(article, kind, colour) for article in ARTICLES for colour in colours for kind in (KEY, BALL, BOX)]
    heard = [sounding(sound) for sound in range(len(SOUNDS))]
    pairs = [put_next(what, beside) for what in things for beside in things if what != beside]
    return (*map(go_to, [*things, *doors, *heard]), *map(pick_up, things), *map(open_up, doors), *pairs)
