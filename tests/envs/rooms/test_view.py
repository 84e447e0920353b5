"""The symbolic view against minigrid's own, in rooms full of clutter that no level has, and case by case."""

import random

import numpy as np
import pytest
import torch
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Door, Key, Wall
from minigrid.minigrid_env import MiniGridEnv

from kit.rooms import by_hand, oracle
from kit.rooms.by_hand import AHEAD, GREEN, RED, room, without_values
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.codes import BALL, BOX, CLOSED, DOOR, KEY, LOCKED, OPEN
from senseweave.envs.rooms.state import RoomsState
from senseweave.envs.rooms.view import SymbolicView, ego_cells

SIDE = by_hand.SIDE


class Clutter(MiniGridEnv):
    """Walls, doors and things thrown into a room at random, the agent anywhere within, its hands full or not."""

    def __init__(self, height: int, width: int, density: float) -> None:
        super().__init__(MissionSpace(lambda: ""), width=width, height=height)
        self.density = density
        self.draw = random.Random(0)

    def _gen_grid(self, width, height):
        raise NotImplementedError

    def shuffle(self) -> np.ndarray:
        """Makes another room; returns minigrid's view of it."""
        draw = self.draw
        self.grid = Grid(self.width, self.height)
        self.grid.wall_rect(0, 0, self.width, self.height)
        for x in range(1, self.width - 1):
            for y in range(1, self.height - 1):
                if draw.random() < self.density:
                    self.grid.set(x, y, self._thing())
        self.agent_pos = (draw.randrange(1, self.width - 1), draw.randrange(1, self.height - 1))
        self.agent_dir = draw.randrange(4)
        under_feet = Door(draw.choice(codes.COLOURS), is_open=True) if draw.random() < 0.3 else None
        self.grid.set(*self.agent_pos, under_feet)
        self.carrying = draw.choice((Ball, Box, Key))(draw.choice(codes.COLOURS)) if draw.random() < 0.5 else None
        return self.gen_obs()["image"]

    def _thing(self):
        kind = self.draw.choice((Wall, Wall, Ball, Box, Key, Door))
        if kind is Wall:
            return Wall()
        if kind is Door:
            is_open, is_locked = self.draw.choice(((True, False), (False, False), (False, True)))
            return Door(self.draw.choice(codes.COLOURS), is_open, is_locked)
        return kind(self.draw.choice(codes.COLOURS))

    def as_state(self) -> RoomsState:
        """What there is to see of it, in a room made by hand."""
        state = room((KEY, 0, AHEAD))
        state.cells = torch.tensor([[oracle.code_of(thing) for thing in self.grid.grid]], dtype=torch.uint8)
        state.agent_cell.fill_(self.agent_pos[1] * self.width + self.agent_pos[0])
        state.heading.fill_(self.agent_dir)
        if self.carrying:
            kind, colour, _ = self.carrying.encode()
            state.carried.fill_(1)
            state.object_kind[0, 1] = kind
            state.object_colour[0, 1] = colour
        return state


@pytest.mark.parametrize("density", [0.1, 0.3, 0.6])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 14), (14, 5), (22, 22)])
def test_minigrid_sees_the_same_in_any_clutter(height, width, density):
    clutter = Clutter(height, width, density)
    images, states = [], []
    for _ in range(31):
        images.append(clutter.shuffle())
        states.append(clutter.as_state())
    views = SymbolicView(height, width)(oracle.stacked(states))
    np.testing.assert_array_equal(views.numpy(), np.stack(images))
    assert len({image.tobytes() for image in images}) > 25


@pytest.fixture(scope="module")
def view():
    return SymbolicView(SIDE, SIDE)


def seen(view, state):
    return {(c, r): tuple(view(state)[0, c, r].tolist()) for c in range(7) for r in range(7)}


def test_the_cell_ahead_is_above_the_agents_own(view):
    cells = seen(view, room((BALL, GREEN, AHEAD)))
    assert cells[3, 5] == (BALL, GREEN, 0)
    assert cells[3, 6] == (codes.EMPTY, 0, 0)


def test_the_agents_own_cell_shows_what_it_holds(view):
    assert seen(view, room((KEY, GREEN, (1, 1)), carried=0))[3, 6] == (KEY, GREEN, 0)


def test_the_door_in_which_the_agent_stands_is_not_shown(view):
    assert seen(view, room((DOOR, RED, (3, 3), OPEN)))[3, 6] == (codes.EMPTY, 0, 0)


def test_columns_go_from_left_to_right(view):
    cells = seen(view, room((BALL, RED, (3, 2)), (KEY, RED, (3, 4))))  # the agent looks east: north is on the left
    assert cells[2, 6] == (BALL, RED, 0)
    assert cells[4, 6] == (KEY, RED, 0)


@pytest.mark.parametrize("state", [CLOSED, LOCKED])
def test_a_wall_of_doors_hides_what_is_behind_until_one_opens(view, state):
    doors = [(DOOR, RED, (4, y), state) for y in range(1, 7)]
    cells = seen(view, room(*doors, (BALL, GREEN, (5, 3))))
    assert cells[3, 5] == (DOOR, RED, state)
    assert cells[3, 4] == (codes.UNSEEN, 0, 0)
    doors[2] = (DOOR, RED, (4, 3), OPEN)
    cells = seen(view, room(*doors, (BALL, GREEN, (5, 3))))
    assert cells[3, 5] == (DOOR, RED, OPEN)
    assert cells[3, 4] == (BALL, GREEN, 0)


@pytest.mark.parametrize("kind", [KEY, BALL, BOX])
def test_things_hide_nothing(view, kind):
    things = [(kind, RED, (4, y)) for y in range(1, 7)]
    assert seen(view, room(*things, (BALL, GREEN, (5, 3))))[3, 4] == (BALL, GREEN, 0)


def test_what_is_outside_of_the_room_is_not_seen_through_its_wall(view):
    state = room()
    state.agent_cell.fill_(by_hand.cell(6, 6))
    cells = seen(view, state)
    assert cells[3, 5] == (codes.WALL, codes.GREY, 0)
    assert all(cells[column, row] == (0, 0, 0) for column in range(7) for row in range(5))


@pytest.mark.parametrize("rooms", [1, 2, 3, 16, 65])
def test_a_room_looks_the_same_in_a_batch_of_any_size(view, rooms):
    clutter = Clutter(SIDE, SIDE, 0.3)
    states = []
    for _ in range(rooms):
        clutter.shuffle()
        states.append(clutter.as_state())
    together = view(oracle.stacked(states))
    assert together.shape == (rooms, 7, 7, 3)
    assert together.is_contiguous()
    for row, state in enumerate(states):
        assert torch.equal(together[row], view(state)[0])


def test_looking_changes_nothing_and_views_share_no_memory(view):
    state = room((BALL, GREEN, AHEAD), (KEY, RED, (1, 1)), carried=1)
    before = state.clone()
    first = view(state)
    kept = first.clone()
    view(state).zero_()
    state.cells.fill_(codes.WALL_CODE)
    assert torch.equal(first, kept)
    state.cells.copy_(before.cells)
    assert all(torch.equal(getattr(state, name), getattr(before, name)) for name in state.names())


def test_tables_point_into_the_room_from_everywhere():
    cells = ego_cells(5, 9)
    assert cells.shape == (5 * 9 * 4, 7, 8)
    assert cells.min() == 0
    assert cells.max() == 5 * 9 - 1
    assert (cells[..., 7] == 0).all()


def test_looking_stays_on_the_device_and_asks_for_no_number():
    image = SymbolicView(SIDE, SIDE, device="meta")(without_values(room((BALL, GREEN, AHEAD))))
    assert image.device.type == "meta"
    assert image.shape == (1, 7, 7, 3)
