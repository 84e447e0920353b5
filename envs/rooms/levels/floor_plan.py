"""`FloorPlan`: square rooms in a rectangle, wall to wall, as tables that the levels draw places from.

Geometry only; nothing here is random. A room of `room_size` 8 has 6 x 6 cells to stand on, and shares its walls with
its neighbours. Rooms and the cells within a room are counted row by row, as cells are (state.py).

r rooms, k cells to stand on in a room, e walls between two rooms
"""

import functools
import itertools

import torch
from jaxtyping import Int
from torch import Tensor

from ..codes import EMPTY_CODE, WALL_CODE

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""(x, y) of a step along each heading."""


class FloorPlan:
    """Where rooms, their cells and their doors can be.

    Args:
        rooms: rooms along each side, 1 to 3.
        room_size: cells along a room's side, its walls included, at least 4.

    Attributes:
        height, width: of the whole world, in cells.
        walls: uint8 (height * width,), the cells' codes of a world with no objects and no doors.
        room_cells: (r, k), the cells to stand on.
        pair_rooms: (e, 2), the two rooms on the sides of each wall that may have a door.
        door_cells: (e, room_size - 2), where in that wall its door may be.
        is_connected: (2 ** e,), whether doors in the walls of this set of bits make one house of all rooms.
        x, y: (height * width,), of each cell.
        front: (height * width * 4,), the cell ahead of each pose; a cell itself where the world ends.
    """

    def __init__(self, rooms: int, room_size: int, device: torch.device | str = "cpu") -> None:
        self.rooms = rooms
        self.room_size = room_size
        self.inner = inner = room_size - 2
        self.width = self.height = width = rooms * (room_size - 1) + 1
        lines = torch.arange(width) % (room_size - 1) == 0
        is_wall = lines[:, None] | lines[None, :]
        self.walls = torch.where(is_wall, WALL_CODE, EMPTY_CODE).flatten().to(device=device, dtype=torch.uint8)

        places = list(itertools.product(range(rooms), repeat=2))  # (row, column) of each room
        starts = torch.tensor([(row * width + column) * (room_size - 1) for row, column in places])
        within = 1 + torch.arange(inner)
        self.room_cells = (starts[:, None] + (within[:, None] * width + within[None, :]).flatten()).to(device)

        pairs, doors = [], []
        for number, (row, column) in enumerate(places):
            corner = starts[number]
            if column + 1 < rooms:
                pairs.append((number, number + 1))
                doors.append(corner + room_size - 1 + within * width)
            if row + 1 < rooms:
                pairs.append((number, number + rooms))
                doors.append(corner + (room_size - 1) * width + within)
        self.pairs = tuple(pairs)
        self.pair_rooms = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).to(device)
        self.door_cells = (torch.stack(doors) if doors else torch.zeros(0, inner, dtype=torch.int64)).to(device)
        self.is_connected = torch.tensor(_connected_sets(rooms**2, self.pairs)).to(device)

        x, y = torch.arange(width).repeat(width), torch.arange(width).repeat_interleave(width)
        ahead = [(y + dy).clamp(0, width - 1) * width + (x + dx).clamp(0, width - 1) for dx, dy in STEPS]
        self.front = torch.stack(ahead, dim=1).flatten().to(device)
        self.x, self.y = x.to(device), y.to(device)

    def beside(self, room: int) -> tuple[tuple[int, int], ...]:
        """The walls of a room that may have a door, as (wall, heading that looks at it from inside)."""
        heading = {1: 0, self.rooms: 1, -1: 2, -self.rooms: 3}
        return tuple(
            (number, heading[(second if room == first else first) - room])
            for number, (first, second) in enumerate(self.pairs)
            if room in (first, second)
        )

    def nearness(self, cells: Int[Tensor, " k"], chebyshev: bool) -> Int[Tensor, "k k"]:
        """Distance of each cell to each: the larger of both axes, or their sum."""
        dx = (self.x[cells][:, None] - self.x[cells]).abs()
        dy = (self.y[cells][:, None] - self.y[cells]).abs()
        return torch.maximum(dx, dy) if chebyshev else dx + dy


@functools.cache
def _connected_sets(rooms: int, pairs: tuple[tuple[int, int], ...]) -> list[bool]:
    """For each set of pairs, as bits, whether it joins all rooms."""
    connected = []
    for chosen in range(2 ** len(pairs)):
        joined, before = {0}, set()
        while joined != before:
            before = set(joined)
            for number, pair in enumerate(pairs):
                if chosen >> number & 1 and joined & set(pair):
                    joined |= set(pair)
        connected.append(len(joined) == rooms)
    return connected
