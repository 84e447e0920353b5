"""Small rooms made by hand, in which one action matters, and a way to do it. Nothing here imports pytest."""

import functools
from collections.abc import Sequence
from typing import Any

import torch

from senseweave.envs.rooms import codes
from senseweave.envs.rooms.codes import KEY, pack
from senseweave.envs.rooms.state import CARRIED, GO_TO, GONE, RoomsState
from senseweave.envs.rooms.world import World

RED, GREEN = codes.COLOURS.index("red"), codes.COLOURS.index("green")
SIDE = 8
AHEAD = (4, 3)
"""Where the agent, which stands at (3, 3) and looks along x, would go."""


def cell(x: int, y: int) -> int:
    """The number of a cell."""
    return y * SIDE + x


def room(
    *things: tuple[Any, ...],
    verb: int = GO_TO,
    target: Sequence[int] = (),
    second: Sequence[int] = (),
    wrong: Sequence[int] = (),
    carried: int | None = None,
    max_steps: int = 64,
) -> RoomsState:
    """One room, 8 x 8, the agent in its midst.

    Args:
        *things: (kind, colour, (x, y)) or (DOOR, colour, (x, y), state).
        verb: what has to be done.
        target: numbers of things.
        second: numbers of things.
        wrong: numbers of things.
        carried: number of a thing, whose place then does not count.
        max_steps: when the time is up.
    """
    cells = torch.full((SIDE, SIDE), codes.EMPTY_CODE, dtype=torch.uint8)
    cells[[0, -1]] = codes.WALL_CODE
    cells[:, [0, -1]] = codes.WALL_CODE
    where = []
    for number, (kind, colour, (x, y), *state) in enumerate(things):
        if number == carried:
            where.append(CARRIED)
            continue
        where.append(cell(x, y))
        cells[y, x] = pack(kind, colour, *state)

    def one(value):
        return torch.tensor([value])

    def slots(values, empty):
        return torch.tensor([[*values, empty, empty]])

    def flags(chosen):
        return torch.tensor([[number in chosen for number in range(len(things) + 2)]])

    return RoomsState(
        cells=cells.flatten()[None],
        agent_cell=one(cell(3, 3)),
        heading=one(codes.EAST),
        previous_pose=one(cell(3, 3) * 4 + codes.EAST),
        carried=one(-1 if carried is None else carried),
        object_kind=slots([thing[0] for thing in things], KEY),
        object_colour=slots([thing[1] for thing in things], 0),
        object_sound=slots([codes.SILENT] * len(things), codes.SILENT),
        object_phase=slots([0] * len(things), 0),
        object_cell=slots(where, GONE),
        mission=one(0),
        verb=one(verb),
        is_target=flags(target),
        is_second=flags(second),
        is_wrong=flags(wrong),
        voice=one(0),
        step_count=one(0),
        max_steps=one(max_steps),
        seed=one(0),
        index=one(0),
        episode=one(0),
    )


@functools.cache
def world() -> World:
    """The rules for these rooms."""
    return World(SIDE, SIDE)


def play(state: RoomsState, *actions: int) -> tuple[float, bool, bool]:
    """Does the actions in one room; returns (reward, terminated, truncated) of the last one."""
    outcome = world().step(state, torch.tensor(actions[:1]))
    for action in actions[1:]:
        outcome = world().step(state, torch.tensor([action]))
    return outcome.reward.item(), outcome.terminated.item(), outcome.truncated.item()


def at(state: RoomsState, x: int, y: int) -> int:
    """The code in a cell."""
    return state.cells[0, cell(x, y)].item()


NOTHING_YET = (0.0, False, False)
"""What `play` returns as long as an episode goes on."""


def reward_after(steps: int, max_steps: int = 64) -> float:
    """What success pays, as float32."""
    return torch.tensor(1 - 0.9 * (steps / max_steps)).item()


def without_values(state: RoomsState) -> RoomsState:
    """Its shapes on the device `meta`: what mixes it with another device, or asks for a number, raises an error."""
    return RoomsState(**{name: getattr(state, name).to("meta") for name in RoomsState.names()})
