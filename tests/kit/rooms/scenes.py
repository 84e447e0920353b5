"""Random rooms for tests of the senses: walls, doors in every state, objects and poses, as rows of a RoomsState."""

import numpy as np
import torch

from senseweave.envs.rooms import codes
from senseweave.envs.rooms.state import CARRIED, GO_TO, GONE, RoomsState


def empty_state(batch: int, height: int, width: int, objects: int) -> RoomsState:
    """Rooms with walls around them and nothing inside; the agent is at (1, 1) and looks east."""
    cells = np.full((batch, height, width), codes.EMPTY_CODE, np.uint8)
    cells[:, [0, -1]] = codes.WALL_CODE
    cells[:, :, [0, -1]] = codes.WALL_CODE

    def full(value: int, *shape: int) -> torch.Tensor:
        return torch.full((batch, *shape), value, dtype=torch.int64)

    agent = full(width + 1)
    return RoomsState(
        cells=torch.from_numpy(cells.reshape(batch, -1)),
        agent_cell=agent,
        heading=full(codes.EAST),
        previous_pose=agent * 4,
        carried=full(-1),
        object_kind=full(codes.BALL, objects),
        object_colour=full(0, objects),
        object_sound=full(codes.SILENT, objects),
        object_phase=full(0, objects),
        object_cell=full(GONE, objects),
        mission=full(0),
        verb=full(GO_TO),
        is_target=torch.zeros(batch, objects, dtype=torch.bool),
        is_second=torch.zeros(batch, objects, dtype=torch.bool),
        is_wrong=torch.zeros(batch, objects, dtype=torch.bool),
        voice=full(0),
        step_count=full(0),
        max_steps=full(64),
        seed=full(0),
        index=torch.arange(batch),
        episode=full(0),
    )


def place(state: RoomsState, row: int, slot: int, cell: int, kind: int, colour: int, door_state: int = 0) -> None:
    """Puts an object or a door into a cell."""
    state.cells[row, cell] = codes.pack(kind, colour, door_state)
    state.object_kind[row, slot], state.object_colour[row, slot], state.object_cell[row, slot] = kind, colour, cell


def random_scenes(
    batch: int, height: int, width: int, *, objects: int, doors: int = 0, walls: int = 0, seed: int = 0
) -> RoomsState:
    """Rooms with single wall cells, doors and objects anywhere inside; every fourth agent carries something.

    Slots 0..objects - 1 are objects, then come the doors. Every eighth agent stands in an open door, where one is.
    """
    generator = np.random.default_rng(seed)
    state = empty_state(batch, height, width, objects + doors)
    inside = np.arange(height * width).reshape(height, width)[1:-1, 1:-1].reshape(-1)
    for row in range(batch):
        cells = generator.permutation(inside)
        state.cells[row, cells[1 : 1 + walls]] = codes.WALL_CODE
        cells = np.delete(cells, slice(1, 1 + walls))
        agent = int(cells[0])
        for slot in range(objects):
            kind, colour = int(generator.integers(codes.KEY, codes.BOX + 1)), int(generator.integers(6))
            place(state, row, slot, int(cells[1 + slot]), kind, colour)
        for slot in range(objects, objects + doors):
            opening = int(generator.integers(3))
            place(state, row, slot, int(cells[1 + slot]), codes.DOOR, int(generator.integers(6)), opening)
            if row % 8 == 1 and opening == codes.OPEN:
                agent = int(cells[1 + slot])
        if objects and row % 4 == 3:
            state.cells[row, state.object_cell[row, 0]] = codes.EMPTY_CODE
            state.object_cell[row, 0] = CARRIED
            state.carried[row] = 0
        state.agent_cell[row], state.heading[row] = agent, int(generator.integers(4))
    state.previous_pose = state.pose
    return state
