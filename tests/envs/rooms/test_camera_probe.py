"""Can a small network read from one frame what the nearest object in view is? The probe of the camera's looks.

One minute on one quiet thread; prints the shares by distance (pytest -s -m nightly).
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from rooms_scenes import empty_state
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.camera import RoomsCamera, geometry

SIZE = 10
FARTHEST = 6
MOST_OBJECTS = 4


def scenes(batch: int, seed: int):
    """Rooms with one to four objects, of which one is the nearest in view by a row of cells; and which that is.

    Returns:
        (frames, kind 0..2, colour 0..5, distance in cells 1..6), all with one row per room.
    """
    generator = np.random.default_rng(seed)
    inside = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)[1:-1, 1:-1].reshape(-1)
    cells = inside[generator.random((batch, len(inside))).argsort(1)[:, : 1 + MOST_OBJECTS]]
    heading = generator.integers(4, size=batch)
    kind, colour = generator.integers(3, size=(batch, MOST_OBJECTS)), generator.integers(6, size=(batch, MOST_OBJECTS))
    exists = np.arange(MOST_OBJECTS) < generator.integers(1, MOST_OBJECTS + 1, size=(batch, 1))
    forward = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[heading]
    way = np.stack([cells % SIZE, cells // SIZE], -1)
    way = way[:, 1:] - way[:, :1]
    f = (way * forward[:, None]).sum(-1)
    r = (way * np.stack([-forward[:, 1], forward[:, 0]], -1)[:, None]).sum(-1)
    edge = (f + geometry.EYE_BACK) * math.tan(math.pi / 6)
    in_part = exists & (f > 0) & (np.abs(r) - 0.4 < edge)
    depth = np.where(in_part, f, 99)
    nearest = depth.argmin(1)
    rows = np.arange(batch)
    least = depth[rows, nearest]
    is_clear = ((depth == least[:, None]).sum(1) == 1) & (np.abs(r) < edge)[rows, nearest] & (least <= FARTHEST)
    # As many of each distance, as far as there are.
    kept = [np.flatnonzero(is_clear & (least == distance))[: batch // 24] for distance in range(1, FARTHEST + 1)]
    kept = generator.permutation(np.concatenate(kept))

    state = empty_state(batch, SIZE, SIZE, MOST_OBJECTS)
    code = ((kind + codes.KEY) * 6 + colour) * 3
    for slot in range(MOST_OBJECTS):
        here = rows[exists[:, slot]]
        state.cells[here, cells[here, 1 + slot]] = torch.from_numpy(code[here, slot]).to(torch.uint8)
    state.agent_cell, state.heading = torch.from_numpy(cells[:, 0]), torch.from_numpy(heading)
    frames = RoomsCamera(SIZE, SIZE, objects=MOST_OBJECTS)(state.rows(torch.from_numpy(kept)))
    kind, colour = kind[kept, nearest[kept]], colour[kept, nearest[kept]]
    return frames, torch.from_numpy(kind), torch.from_numpy(colour), torch.from_numpy(least[kept])


def pixels(frames: torch.Tensor) -> torch.Tensor:
    return frames.permute(0, 3, 1, 2).float() / 128.0 - 1.0


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_small_network_reads_kind_and_colour_of_the_nearest_object():
    generator = torch.Generator().manual_seed(0)
    frames, kind, colour, _ = scenes(60_000, seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(3, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 48, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(48 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, 9)),
        )
    epochs, size = 9, 64
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * (len(frames) // size))
    for _ in range(epochs):
        order = torch.randperm(len(frames), generator=generator)
        for start in range(0, len(frames) - size + 1, size):
            which = order[start : start + size]
            answer = network(pixels(frames[which]))
            loss = nn.functional.cross_entropy(answer[:, :3], kind[which])
            loss = loss + nn.functional.cross_entropy(answer[:, 3:], colour[which])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    frames, kind, colour, distance = scenes(16_000, seed=1)
    with torch.no_grad():
        answer = network(pixels(frames))
    right_kind, right_colour = answer[:, :3].argmax(1) == kind, answer[:, 3:].argmax(1) == colour
    for cells in range(1, FARTHEST + 1):
        here = distance == cells
        shares = [share[here].float().mean().item() for share in (right_kind, right_colour, right_kind & right_colour)]
        kinds, colours, both = (f"{share:.3f}" for share in shares)
        print(f"{cells} cells: {int(here.sum())} scenes, kind {kinds}, colour {colours}, both {both}")
        assert shares[2] >= 0.93
    assert (right_kind & right_colour).float().mean() >= 0.95
