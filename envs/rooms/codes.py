"""What can stand in a cell, as one small number: minigrid's kind, colour and state packed into a uint8.

Constants and look-up tables only. The numbers of kinds, colours and door states are minigrid's own, so that its
symbolic view is an unpacking and nothing else.

Source: minigrid 3, minigrid/core/constants.py (OBJECT_TO_IDX, COLOR_TO_IDX, STATE_TO_IDX).
"""

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..contract import ACTIONS as ACTIONS

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX = range(8)
KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent")
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
GREY = COLOURS.index("grey")
OPEN, CLOSED, LOCKED = range(3)
ORDINARY, SHORT, TALL = range(3)
"""How high a key, a ball or a box is: what stands in place of a door's state. minigrid knows ordinary ones alone.

A thing that is taken up is ordinary from then on; where things are short or tall (SeekGrounded), none can be taken.
"""
HEIGHTS = ("ordinary", "short", "tall")
SIZES = (len(KINDS), len(COLOURS), 3)
"""How many values each channel of the symbolic view takes."""

SOUNDS = ("ringing", "beeping", "humming", "ticking", "chirping", "buzzing", "whistling", "rattling")
"""What objects do, as instructions name it; an object's sound is an index into this tuple, or SILENT."""
SILENT = -1

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)

EAST, SOUTH, WEST, NORTH = range(4)
"""Headings, as in minigrid: 0 looks along growing x, 1 along growing y, which is down the picture."""


def pack(kind: int, colour: int = 0, state: int = 0) -> int:
    """The code of a cell's content, below 256."""
    return (kind * SIZES[1] + colour) * SIZES[2] + state


EMPTY_CODE = pack(EMPTY)
WALL_CODE = pack(WALL, GREY)


def unpacked(device: torch.device | str = "cpu") -> UInt8[Tensor, "256 3"]:
    """Code -> (kind, colour, state), for every code."""
    code = torch.arange(256, device=device)
    parts = (code // (SIZES[1] * SIZES[2]), code // SIZES[2] % SIZES[1], code % SIZES[2])
    return torch.stack(parts, dim=-1).to(torch.uint8)
