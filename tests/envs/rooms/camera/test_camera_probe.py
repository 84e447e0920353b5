"""Can a small network read from one frame what the nearest object in view is? The probe of the camera's looks.

One minute on one quiet thread; prints the shares by distance (pytest -s -m nightly).
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from kit.rooms.scenes import empty_state
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.camera import RoomsCamera, geometry

SIZE = 10
FARTHEST = 6
MOST_OBJECTS = 4
CHOICES = (3, 6, 2)
LEAST = {False: 0.93, True: 0.9}
"""Of the scenes at each distance, the share in which kind, colour and height shall be right."""


def scenes(batch: int, seed: int, has_heights: bool):
    """Rooms with one to four objects, of which one is the nearest in view by a row of cells; and which that is.

    Returns:
        (frames, (kind 0..2, colour 0..5, tall 0..1), distance in cells 1..6), all with one row per room; nothing is
        tall without `has_heights`, and the others are short with it.
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
    tall = generator.integers(2, size=(batch, MOST_OBJECTS)) * has_heights
    code = ((kind + codes.KEY) * 6 + colour) * 3 + np.where(has_heights, codes.SHORT + tall, codes.ORDINARY)
    for slot in range(MOST_OBJECTS):
        here = rows[exists[:, slot]]
        state.cells[here, cells[here, 1 + slot]] = torch.from_numpy(code[here, slot]).to(torch.uint8)
    state.agent_cell, state.heading = torch.from_numpy(cells[:, 0]), torch.from_numpy(heading)
    camera = RoomsCamera(SIZE, SIZE, objects=MOST_OBJECTS, has_heights=has_heights)
    answers = np.stack([part[kept, nearest[kept]] for part in (kind, colour, tall)], axis=1)
    return camera(state.rows(torch.from_numpy(kept))), torch.from_numpy(answers), torch.from_numpy(least[kept])


def pixels(frames: torch.Tensor) -> torch.Tensor:
    return frames.permute(0, 3, 1, 2).float() / 128.0 - 1.0


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("has_heights", [False, True])
def test_a_small_network_reads_kind_colour_and_height_of_the_nearest_object(has_heights):
    generator = torch.Generator().manual_seed(0)
    frames, answers, _ = scenes(60_000, 0, has_heights)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(3, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 48, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(48 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, sum(CHOICES))),
        )
    epochs, size = 9, 64
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * (len(frames) // size))
    for _ in range(epochs):
        order = torch.randperm(len(frames), generator=generator)
        for start in range(0, len(frames) - size + 1, size):
            which = order[start : start + size]
            parts = network(pixels(frames[which])).split(CHOICES, dim=1)
            losses = [nn.functional.cross_entropy(part, answers[which, i]) for i, part in enumerate(parts)]
            loss = torch.stack(losses).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    frames, answers, distance = scenes(16_000, 1, has_heights)
    with torch.no_grad():
        parts = network(pixels(frames)).split(CHOICES, dim=1)
    right = torch.stack([part.argmax(1) for part in parts], dim=1) == answers
    for cells in range(1, FARTHEST + 1):
        here = right[distance == cells]
        kinds, colours, heights = (f"{share:.3f}" for share in here.float().mean(0).tolist())
        every = here.all(1).float().mean().item()
        print(f"{cells} cells: {len(here)} scenes, kind {kinds}, colour {colours}, height {heights}, all {every:.3f}")
        assert every >= LEAST[has_heights]
        assert here[:, 2].float().mean() >= 0.97
    assert right.all(1).float().mean() >= LEAST[has_heights] + 0.02
