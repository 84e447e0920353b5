"""The texts of missions, as minigrid words them, and what they look like as tokens.

Words only: which objects a mission means is the levels' business. A level lists all its missions once, as a tuple of
texts; `RoomsState.mission` is a row of that tuple, and of the table of tokens that is made of it.

Source: minigrid 3, minigrid/envs/babyai/core/verifier.py (`surface` of ObjDesc and of the instructions).
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Bool, Int32
from torch import Tensor

from ...perception.tokenizer import DEFAULT_MAX_TOKENS, default_tokenizer
from .codes import COLOURS, HEIGHTS, KINDS, SOUNDS

VOICES = 4
"""How many voices a level chooses from, for instructions that are spoken."""

ARTICLES = ("the", "a")
"""The first where one object fits the description, the second where several do."""

PLACES = ("on your left", "on your right", "in front of you", "behind you")
"""Where a thing is, seen from where the agent starts, in minigrid's order."""


def thing(article: str, kind: int, colour: int | None = None, place: int | None = None) -> str:
    """A description, such as "the red ball" or "a key behind you".

    Args:
        article: one of ARTICLES.
        kind: DOOR, KEY, BALL or BOX (codes.py).
        colour: index into COLOURS, or None for any.
        place: index into PLACES, or None for anywhere.
    """
    words = (
        article,
        None if colour is None else COLOURS[colour],
        KINDS[kind],
        None if place is None else PLACES[place],
    )
    return " ".join(word for word in words if word)


def described(noun: str, height: int | None = None, colour: int | None = None) -> str:
    """A description by looks, such as "the tall red ball" or "the short one".

    Args:
        noun: its last word.
        height: index into HEIGHTS, or None for any.
        colour: index into COLOURS, or None for any.
    """
    adjectives = (None if height is None else HEIGHTS[height], None if colour is None else COLOURS[colour])
    return " ".join(word for word in ("the", *adjectives, noun) if word)


def sounding(sound: int) -> str:
    """A description by sound, such as "the ringing object"."""
    return f"the {SOUNDS[sound]} object"


def go_to(what: str) -> str:
    """Go next to a thing and look at it."""
    return f"go to {what}"


def pick_up(what: str) -> str:
    """Have a thing in the hand."""
    return f"pick up {what}"


def open_up(what: str) -> str:
    """Open a door."""
    return f"open {what}"


def put_next(what: str, beside: str) -> str:
    """Drop a thing in a cell beside another thing."""
    return f"put {what} next to {beside}"


def mission_tokens(
    missions: Iterable[str], max_tokens: int = DEFAULT_MAX_TOKENS
) -> tuple[Int32[Tensor, "n max_tokens"], Bool[Tensor, " n"]]:
    """Every mission as the packaged tokenizer encodes it, in the missions' order.

    Returns:
        ids (n, max_tokens), padded with 0, and which missions were longer and lost their end.
    """
    encoded = [default_tokenizer().encode(mission, max_tokens) for mission in missions]
    ids = np.stack([ids for ids, _ in encoded]) if encoded else np.zeros((0, max_tokens), np.int32)
    return torch.from_numpy(ids), torch.tensor([was_truncated for _, was_truncated in encoded], dtype=torch.bool)
