import numpy as np
import pytest
import torch

from kit.rooms.scenes import empty_state, place
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.camera.looks import PAINT
from senseweave.envs.rooms.render.dashboard import HEIGHT_PX, WIDTH_PX, Dashboard
from senseweave.envs.rooms.render.spectrogram import spectrogram
from senseweave.envs.rooms.render.top_view import (
    AGENT_COLOUR,
    FLOOR_COLOUR,
    SEEN_COLOUR,
    TARGET_COLOUR,
    TRAIL_COLOUR,
    WALL_COLOUR,
    TopView,
)
from senseweave.envs.rooms.state import CARRIED, RoomsState

TILE = 20
RATE_HZ = 16_000


def cell_of(picture, x, y):
    return picture[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]


def middle_of(picture, x, y):
    return tuple(cell_of(picture, x, y)[TILE // 2, TILE // 2])


def count(picture, colour):
    return int((picture == np.array(colour)).all(axis=-1).sum())


@pytest.fixture
def state():
    """7 by 9: the agent at (3, 3) looks east; a red ball at (5, 3), a blue key far behind."""
    state = empty_state(1, 7, 9, 3)
    state.agent_cell[:] = 3 * 9 + 3
    place(state, 0, 0, 3 * 9 + 5, codes.BALL, 0)
    place(state, 0, 1, 5 * 9 + 1, codes.KEY, 2)
    return state


def test_the_top_view_shows_walls_floor_objects_and_the_agent_where_they_are(state):
    picture = TopView(7, 9, TILE).draw(state)
    assert picture.shape == (7 * TILE, 9 * TILE, 3)
    assert picture.dtype == np.uint8
    assert middle_of(picture, 0, 0) == WALL_COLOUR
    assert middle_of(picture, 1, 1) == FLOOR_COLOUR
    assert middle_of(picture, 5, 3) == tuple(PAINT[0])
    assert count(cell_of(picture, 1, 5), PAINT[2]) > 3
    assert count(cell_of(picture, 3, 3), AGENT_COLOUR) > 50


@pytest.mark.parametrize("heading", range(4))
def test_the_arrow_is_broad_behind_and_narrow_ahead(state, heading):
    state.heading[:] = heading
    tile = cell_of(TopView(7, 9, TILE).draw(state), 3, 3)
    turned = np.rot90(tile, heading)  # so that it looks east
    halves = [count(turned[:, part], AGENT_COLOUR) for part in (slice(0, TILE // 2), slice(TILE // 2, None))]
    assert halves[0] > 2 * halves[1] > 0


@pytest.mark.parametrize(("opening", "colour"), [(codes.OPEN, SEEN_COLOUR), (codes.CLOSED, FLOOR_COLOUR)])
def test_what_it_sees_is_lit_and_closed_doors_hide(state, opening, colour):
    state.cells[0, state.object_cell[0, 0]] = codes.EMPTY_CODE
    place(state, 0, 0, 3 * 9 + 5, codes.DOOR, 0, opening)
    picture = TopView(7, 9, TILE).draw(state)
    assert middle_of(picture, 4, 3) == SEEN_COLOUR
    assert middle_of(picture, 7, 3) == colour
    assert middle_of(picture, 1, 3) == FLOOR_COLOUR  # behind its back


def test_the_targets_are_marked_if_wanted(state):
    state.is_target[:, 0] = True
    view = TopView(7, 9, TILE)
    assert count(view.draw(state), TARGET_COLOUR) == count(cell_of(view.draw(state), 5, 3), TARGET_COLOUR) > 5
    assert count(view.draw(state, shows_target=False), TARGET_COLOUR) == 0


def test_without_eyes_nothing_is_lit(state):
    view = TopView(7, 9, TILE)
    assert count(view.draw(state), SEEN_COLOUR) > 100 and count(view.draw(state, shows_view=False), SEEN_COLOUR) == 0


def test_the_trail_joins_the_cells_where_the_agent_was(state):
    view = TopView(7, 9, TILE)
    picture = view.draw(state, trail=[5 * 9 + 2, 4 * 9 + 2, 4 * 9 + 2, 4 * 9 + 3, 3 * 9 + 3])
    assert all(middle_of(picture, *cell) == TRAIL_COLOUR for cell in ((2, 5), (2, 4), (3, 4)))
    assert middle_of(picture, 3, 3) == AGENT_COLOUR and count(picture, TRAIL_COLOUR) < 4 * TILE * TILE
    assert count(view.draw(state), TRAIL_COLOUR) == 0


def test_what_it_holds_is_drawn_beside_it(state):
    state.cells[0, state.object_cell[0, 0]] = codes.EMPTY_CODE
    state.object_cell[:, 0], state.carried[:] = CARRIED, 0
    assert count(cell_of(TopView(7, 9, TILE).draw(state), 3, 3), PAINT[0]) > 5


def test_from_above_tall_things_are_drawn_larger_and_short_ones_smaller(state):
    counts = []
    for height in (codes.SHORT, codes.ORDINARY, codes.TALL):
        state.cells[0, 3 * 9 + 5] = codes.pack(codes.BALL, 0, height)
        counts.append(count(cell_of(TopView(7, 9, TILE).draw(state), 5, 3), PAINT[0]))
    assert counts[0] > 20 and counts[1] > 1.5 * counts[0] and counts[2] > 1.5 * counts[1]


def test_draws_the_room_that_was_asked_for_and_changes_none(state):
    both = RoomsState(**{name: torch.cat([getattr(state, name)] * 2) for name in RoomsState.names()})
    both.heading[1] = codes.NORTH
    before = both.clone()
    view = TopView(7, 9, TILE)
    assert np.array_equal(view.draw(both, 0), view.draw(state))
    assert not np.array_equal(view.draw(both, 1), view.draw(state))
    assert all(torch.equal(getattr(both, name), getattr(before, name)) for name in RoomsState.names())


def test_the_spectrogram_shows_pitch_side_and_time():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    sound = np.zeros((2, RATE_HZ), np.float32)
    sound[0] = 0.5 * np.sin(2 * np.pi * 1000 * time_s)
    light = spectrogram(sound, 200, 100).astype(int).sum(axis=-1)
    left, right = light[:99], light[101:]
    assert right.max() == light[:, 0].max()  # the other ear, and the second before it, are silent
    assert left[:, 80].max() > 2 * right.max()
    row = left[:, 60:95].mean(axis=1).argmax()
    pitch_hz = 8000 * (80 / 8000) ** ((row + 0.5) / 100)
    assert 900 < pitch_hz < 1100
    assert left[row, :45].max() == light[:, 0].max()


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (22, 22)])
def test_the_dashboard_has_one_size_with_and_without_senses(size):
    height, width = size
    state = empty_state(1, height, width, 2)
    dashboard = Dashboard(height, width)
    frame = np.full((64, 64, 3), 200, np.uint8)
    full = dashboard.draw(state, frame=frame, sound=np.zeros((2, 3200), np.float32), instruction="go to the red ball")
    bare = dashboard.draw(state)
    assert full.shape == bare.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert full.dtype == np.uint8
    assert not np.array_equal(full, bare)


def test_the_dashboard_writes_the_longest_and_the_strangest_instruction(state):
    dashboard = Dashboard(7, 9)
    plain = dashboard.draw(state)
    assert not np.array_equal(dashboard.draw(state, instruction="go to the ball " * 20), plain)
    dashboard.draw(state, instruction="\x00\ud800 \N{SNOWMAN}\n")
