"""Makes states of rooms by hand, for tests of what is heard in them."""

from collections.abc import Sequence

import torch

from senseweave.envs.rooms.codes import BALL, EAST, EMPTY_CODE, SILENT, WALL_CODE, pack
from senseweave.envs.rooms.sound.head import AZIMUTHS
from senseweave.envs.rooms.sound.tables import FADE_SAMPLES, FIRST_NOISE_ROW, NOISE_ROWS, sound_tables
from senseweave.envs.rooms.sound.timbres import LOOP_STEPS
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


def baked_loop(sound: int, azimuth: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One second of a sound from one of the 120 directions, for the left and the right ear, 1 being full scale."""
    tables = sound_tables(torch.device("cpu"))
    ears = []
    for side in (azimuth, -azimuth):
        first = (sound * AZIMUTHS + side % AZIMUTHS) * LOOP_STEPS
        steps = tables.rows[first : first + LOOP_STEPS].clone()
        steps[:, : tables.fades.shape[1]] += tables.fades[first : first + LOOP_STEPS]
        ears.append(steps.flatten() / 2.0**15)
    return ears[0], ears[1]


def mixture(
    sounds: torch.Tensor, azimuths: torch.Tensor, gains: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Steps of sound from any of the 120 directions, with background noise: (n, 2, 1600) of sources (n, m)."""
    rows = sound_tables(torch.device("cpu")).rows
    blocks = torch.randint(0, LOOP_STEPS, sounds.shape, generator=generator)
    noise = torch.randint(0, NOISE_ROWS, (len(sounds), 2), generator=generator)
    ears = []
    for ear, side in enumerate((azimuths, -azimuths)):
        which = (sounds * AZIMUTHS + side % AZIMUTHS) * LOOP_STEPS + blocks
        heard = rows[FIRST_NOISE_ROW + noise[:, ear]]
        for source in range(sounds.shape[1]):
            heard = heard + rows[which[:, source]] * gains[:, source, None]
        ears.append(heard)
    steps = torch.stack(ears, dim=1)
    steps[..., :FADE_SAMPLES] = 0.0  # rows begin by fading in
    return steps.round() / 2.0**15
