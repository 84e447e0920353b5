"""Makes states of rooms by hand, for tests of what is heard in them."""

from collections.abc import Sequence

import torch

from senseweave.envs.rooms.codes import BALL, EAST, EMPTY_CODE, SILENT, WALL_CODE, pack
from senseweave.envs.rooms.state import RoomsState


def empty_rooms(batch: int, height: int = 8, width: int = 8, objects: int = 3, seed: int = 0) -> RoomsState:
    """Rooms with walls around, the agent in the middle looking east, and no object in any slot."""
    cells = torch.full((batch, height, width), WALL_CODE, dtype=torch.uint8)
    cells[:, 1:-1, 1:-1] = EMPTY_CODE
    zeros = torch.zeros(batch, dtype=torch.int64)
    slots = torch.zeros(batch, objects, dtype=torch.int64)
    agent_cell = zeros + (height // 2) * width + width // 2
    return RoomsState(
        cells=cells.flatten(1),
        agent_cell=agent_cell,
        heading=zeros + EAST,
        previous_pose=agent_cell * 4 + EAST,
        carried=zeros - 1,
        object_kind=slots + BALL,
        object_colour=slots.clone(),
        object_sound=slots + SILENT,
        object_phase=slots.clone(),
        object_cell=slots - 2,
        mission=zeros.clone(),
        verb=zeros.clone(),
        is_target=slots.bool(),
        is_second=slots.bool(),
        is_wrong=slots.bool(),
        voice=zeros.clone(),
        step_count=zeros.clone(),
        max_steps=zeros + 64,
        seed=zeros + seed,
        index=torch.arange(batch),
        episode=zeros.clone(),
    )


def place(state: RoomsState, slot: int, cell: int | torch.Tensor, sound: int | torch.Tensor) -> None:
    """Puts a sounding ball into a cell, one for all rooms or one for each."""
    state.object_cell[:, slot] = cell
    state.object_sound[:, slot] = sound
    rows = torch.arange(len(state))
    state.cells[rows, state.object_cell[:, slot]] = pack(BALL)


def random_rooms(batch: int, objects: int = 3, height: int = 8, width: int = 8, seed: int = 0) -> RoomsState:
    """Rooms with sounding balls in different cells, the agent in another one, after some random step."""
    generator = torch.Generator().manual_seed(seed)
    state = empty_rooms(batch, height, width, objects, seed)
    inside = [y * width + x for y in range(1, height - 1) for x in range(1, width - 1)]
    where = torch.tensor(inside)[torch.rand(batch, len(inside), generator=generator).argsort(dim=1)]
    for slot in range(objects):
        place(state, slot, where[:, slot], torch.randint(0, 8, (batch,), generator=generator))
    state.object_phase[:] = torch.randint(0, 10, (batch, objects), generator=generator)
    state.agent_cell[:] = where[:, objects]
    state.heading[:] = torch.randint(0, 4, (batch,), generator=generator)
    turned = torch.randint(0, 4, (batch,), generator=generator)
    state.previous_pose[:] = state.agent_cell * 4 + turned
    state.step_count[:] = torch.randint(0, 64, (batch,), generator=generator)
    return state


def stepped(state: RoomsState, headings: Sequence[int]) -> list[RoomsState]:
    """The state as it is, and then after turning to each of these headings."""
    states = [state.clone()]
    for heading in headings:
        state = state.clone()
        state.previous_pose = state.pose
        state.heading = torch.full_like(state.heading, heading)
        state.step_count += 1
        states.append(state)
    return states
