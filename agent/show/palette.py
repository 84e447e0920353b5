"""The colour of each sense, by its name, so that it is the same in every page, video and chart."""

import zlib
from collections.abc import Iterable

from ...envs.rooms.render.canvas import Colour

SENSES: dict[str, Colour] = {
    "camera": (66, 110, 180),
    "audio": (214, 120, 56),
    "instruction": (78, 148, 98),
}
"""The three senses of the usual names."""

OTHERS: tuple[Colour, ...] = (
    (150, 96, 170),
    (190, 150, 40),
    (90, 160, 170),
    (186, 84, 116),
    (122, 132, 60),
    (116, 116, 196),
    (150, 112, 84),
)
"""Senses of other names choose among these by their name."""

NEUTRAL: Colour = (92, 108, 132)
"""Of what is no single sense."""

SUCCESS: Colour = (32, 142, 76)
FAILURE: Colour = (190, 50, 44)


def sense_colours(names: Iterable[str]) -> dict[str, Colour]:
    """The colours of the senses of one spec.

    A name alone decides, unless two names would get one colour: then the later one in the alphabet gets the next that
    is free, as long as there are any.
    """
    chosen: dict[str, Colour] = {}
    for name in sorted(names):
        first = zlib.crc32(name.encode()) % len(OTHERS)
        free = [colour for colour in (*OTHERS[first:], *OTHERS[:first]) if colour not in chosen.values()]
        chosen[name] = SENSES.get(name) or next(iter(free), OTHERS[first])
    return chosen


def hexadecimal(colour: Colour) -> str:
    """A colour as style sheets and matplotlib write it: "#426eb4"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
