import numpy as np
import pytest
import torch

from kit.rooms import raytracer
from kit.rooms.scenes import random_scenes
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.camera import RoomsCamera, geometry

MOST_DIFFERENT = 1e-4
"""Share of pixels that may differ; none were seen to."""
ROOM = {"objects": 6}
ROOMS = {"objects": 10, "doors": 16, "walls": 10}
MAZE = {"objects": 30, "doors": 40, "walls": 40}
CROWDED = {"objects": 6, "doors": 8, "walls": 6}


def share_different(grid, image, scenes: int, contents, seed: int, has_heights: bool = False) -> float:
    state = random_scenes(scenes, *grid, **contents, seed=seed)
    if has_heights:
        is_thing = (state.cells >= codes.pack(codes.KEY)) & (state.cells % 3 == codes.ORDINARY)
        height = torch.randint(3, state.cells.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        state.cells += torch.where(is_thing, height, 0).to(torch.uint8)
        assert set((state.cells[is_thing] % 3).tolist()) == {codes.ORDINARY, codes.SHORT, codes.TALL}
    frames = RoomsCamera(*grid, *image, objects=40, has_heights=has_heights)(state).numpy()
    traced = np.stack([raytracer.trace(state, row, grid, image, has_heights) for row in range(scenes)])
    return (frames != traced).any(-1).mean()


@pytest.mark.parametrize(
    ("grid", "image", "scenes", "contents"),
    [
        ((8, 8), (64, 64), 10, ROOM),
        ((12, 14), (64, 64), 10, ROOMS),
        ((16, 5), (64, 64), 8, CROWDED),
        ((10, 10), (33, 49), 10, CROWDED),
        ((10, 10), (16, 16), 15, CROWDED),
        ((10, 10), (90, 256), 1, CROWDED),
    ],
)
def test_frames_equal_those_of_a_ray_tracer(grid, image, scenes, contents):
    assert share_different(grid, image, scenes, contents, seed=sum(grid) + sum(image)) <= MOST_DIFFERENT


@pytest.mark.parametrize(("grid", "image", "scenes"), [((8, 8), (64, 64), 10), ((10, 10), (33, 49), 10)])
def test_short_and_tall_things_equal_those_of_a_ray_tracer(grid, image, scenes):
    assert share_different(grid, image, scenes, ROOM, seed=sum(grid), has_heights=True) <= MOST_DIFFERENT


@pytest.mark.nightly
def test_many_frames_equal_those_of_a_ray_tracer():
    for seed in range(10):
        assert share_different((8, 8), (64, 64), 50, ROOM, seed) <= MOST_DIFFERENT
        assert share_different((22, 22), (64, 64), 20, MAZE, seed) <= MOST_DIFFERENT
        assert share_different((8, 8), (64, 64), 50, ROOM, seed, has_heights=True) <= MOST_DIFFERENT


def test_the_cells_of_the_view_fit_an_int64_and_every_ray_meets_them_in_their_order():
    assert len(geometry.ego_cells()) < geometry.HAZE
    for width in (16, 33, 64, 256):
        rays = geometry.crossings(width)
        same_column = rays.column[1:] == rays.column[:-1]
        assert (rays.cell[1:] > rays.cell[:-1])[same_column].all()
        assert (rays.depth[1:] >= rays.depth[:-1])[same_column].all()


def test_the_ray_tracer_sees_what_the_scenes_contain():
    state = random_scenes(40, 12, 14, objects=10, doors=16, walls=10, seed=1)
    kinds = state.cells.long() // 18
    for kind in (codes.WALL, codes.DOOR, codes.KEY, codes.BALL, codes.BOX):
        assert (kinds == kind).any(1).float().mean() > 0.8
    assert (state.cells.gather(1, state.agent_cell[:, None]) != codes.EMPTY_CODE).any()  # some stand in a door
