import pytest
import torch

from kit.rooms.scenes import empty_state, place, random_scenes
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.camera import RoomsCamera
from senseweave.envs.rooms.state import RoomsState
from senseweave.perception import ConfigError, ObservationError

SIZE = 8


@pytest.fixture(scope="module")
def camera() -> RoomsCamera:
    return RoomsCamera(SIZE, SIZE, objects=8)


def ahead(distance: int, aside: int = 0) -> int:
    """A cell as seen by an agent at (1, 3) that looks east."""
    return (3 + aside) * SIZE + 1 + distance


def scene(*things: tuple[int, int, int, int]):
    """One room; things are (cell, kind, colour, door state)."""
    state = empty_state(1, SIZE, SIZE, len(things))
    state.agent_cell[:] = ahead(0)
    for slot, (cell, kind, colour, opening) in enumerate(things):
        if kind == codes.WALL:
            state.cells[0, cell] = codes.WALL_CODE
        else:
            place(state, 0, slot, cell, kind, colour, opening)
    return state


def test_frames_are_uint8_pictures_of_the_asked_size():
    state = random_scenes(5, SIZE, SIZE, objects=3)
    for height, width in ((64, 64), (16, 16), (17, 33), (48, 96), (96, 48)):
        frames = RoomsCamera(SIZE, SIZE, height, width, objects=3)(state)
        assert frames.dtype == torch.uint8
        assert frames.shape == (5, height, width, 3)
        assert frames.is_contiguous()
        assert frames.float().std() > 10


def test_a_frame_does_not_depend_on_the_batch_or_on_how_it_is_cut(camera):
    state = random_scenes(200, SIZE, SIZE, objects=5, doors=3, walls=4, seed=4)
    whole = camera(state)
    parts = torch.cat([camera(state.rows(torch.arange(start, min(start + 7, 200)))) for start in range(0, 200, 7)])
    assert torch.equal(whole, parts)
    other = RoomsCamera(SIZE, SIZE, objects=8)
    other._chunk = 3
    assert torch.equal(whole, other(state))


def test_drawing_every_layer_and_drawing_only_what_is_there_agree(camera):
    state = random_scenes(200, SIZE, SIZE, objects=12, doors=8, walls=4, seed=5)
    dense = RoomsCamera(SIZE, SIZE, objects=20)
    dense._is_sparse = False
    assert torch.equal(camera(state), dense(state))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_bits(camera):
    state = random_scenes(300, SIZE, SIZE, objects=5, doors=3, walls=4, seed=6)
    there = RoomsState(**{name: getattr(state, name).cuda() for name in RoomsState.names()})
    assert torch.equal(camera(state), RoomsCamera(SIZE, SIZE, objects=8, device="cuda")(there).cpu())


def test_frames_share_no_memory_and_the_state_is_not_touched(camera):
    state = random_scenes(4, SIZE, SIZE, objects=3)
    before = state.clone()
    first = camera(state)
    copy = first.clone()
    second = camera(state)
    second.zero_()
    assert torch.equal(first, copy)
    for name in state.names():
        assert torch.equal(getattr(state, name), getattr(before, name))


def test_an_object_behind_a_wall_or_a_closed_door_is_not_seen_and_through_an_open_door_it_is(camera):
    ball = (ahead(4), codes.BALL, codes.COLOURS.index("green"), 0)
    for blocker in ((codes.WALL, 0, 0), (codes.DOOR, 0, codes.CLOSED), (codes.DOOR, 0, codes.LOCKED)):
        thing = (ahead(2), *blocker)
        assert torch.equal(camera(scene(thing, ball)), camera(scene(thing)))
    door = (ahead(2), codes.DOOR, 0, codes.OPEN)
    seen, empty = camera(scene(door, ball)), camera(scene(door))
    changed = (seen != empty).any(-1)
    assert 40 < changed.sum() < 400
    red, green, blue = seen[changed].long().unbind(-1)
    assert (green > red + blue).float().mean() > 0.8


def test_the_nearer_object_hides_the_farther_one(camera):
    near, far = (ahead(1), codes.BOX, 0, 0), (ahead(2), codes.BALL, 1, 0)
    assert torch.equal(camera(scene(near, far)), camera(scene(near)))
    assert not torch.equal(camera(scene(far)), camera(scene()))


def test_the_field_of_view_is_60_degrees_and_things_have_their_size(camera):
    for width, frames in ((64, camera), (200, RoomsCamera(SIZE, SIZE, 100, 200))):
        for distance in range(1, 6):
            boxed, empty = frames(scene((ahead(distance), codes.BOX, 0, 0))), frames(scene())
            columns = (boxed != empty).any(-1)[0].any(0).sum()
            # A box is 0.96 * 0.8 cells wide; at a depth d the view is 2 d tan(30 degrees) cells wide.
            expected = 0.96 * 0.8 / (2 * (distance + 0.45) * 3**-0.5) * width
            assert abs(columns - expected) <= 1


def test_right_is_right(camera):
    empty = camera(scene())
    for aside, side in ((1, slice(32, 64)), (-1, slice(0, 32))):  # south is to the right of an agent that looks east
        changed = (camera(scene((ahead(3, aside), codes.BALL, 0, 0))) != empty).any(-1)[0]
        assert changed[:, side].sum() == changed.sum() > 0


def test_what_the_agent_carries_is_seen_and_nothing_else_changes(camera):
    state = scene((ahead(3), codes.KEY, 0, 0), (ahead(2, 1), codes.KEY, 4, 0))
    without = camera(state)
    state.carried[:] = 1
    changed = (camera(state) != without).any(-1)[0]
    assert 30 < changed.sum() < 200
    assert not changed[:44].any()
    colour = camera(state)[0][changed].float().mean(0)
    assert colour[0] > 150 and colour[1] > 150 and colour[2] < 40


def test_the_four_walls_look_different():
    state = empty_state(4, 5, 5, 1)
    state.agent_cell[:] = 12
    state.heading[:] = torch.arange(4)
    frames = RoomsCamera(5, 5)(state).float()
    means = frames[:, 24:40].mean((1, 2))
    distance = torch.cdist(means, means) + torch.eye(4) * 1000
    assert distance.min() > 15


def test_kinds_and_colours_differ_at_every_distance(camera):
    for distance in range(1, 6):
        frames = {}
        for kind in (codes.KEY, codes.BALL, codes.BOX):
            for colour in range(6):
                frames[kind, colour] = camera(scene((ahead(distance), kind, colour, 0)))[0].float()
        pairs = [(one, other) for one in frames for other in frames if one < other]
        for one, other in pairs:
            assert ((frames[one] - frames[other]).abs().amax(-1) > 20).sum() >= 9, (distance, one, other)


def test_short_and_tall_things_differ_at_every_distance_and_only_where_a_camera_draws_them(camera):
    has_heights = RoomsCamera(SIZE, SIZE, objects=8, has_heights=True)
    for distance in range(1, 6):
        for kind in (codes.KEY, codes.BALL, codes.BOX):
            things = [scene((ahead(distance), kind, 0, height)) for height in range(3)]
            ordinary, short, tall = (has_heights(state)[0].float() for state in things)
            assert ((short - tall).abs().amax(-1) > 20).sum() >= 15, (distance, kind)
            empty = has_heights(scene())[0].float()
            # The eye is between: what is short stays below the horizon, and what is tall rises above it.
            assert not (short != empty)[:32].any() and (tall != empty)[:32].any()
            assert torch.equal(ordinary, camera(things[0])[0].float())
            assert all(torch.equal(camera(state), camera(things[0])) for state in things)


def test_an_agent_in_an_open_door_looks_through_its_frame(camera):
    outside = scene()
    inside = scene((ahead(0), codes.DOOR, 4, codes.OPEN))
    changed = (camera(outside) != camera(inside)).any(-1)[0]
    assert changed[:, [0, -1]].any() and changed[3].all()
    assert not changed[24:, 16:48].any()


def test_wrong_arguments_are_refused_in_one_sentence(camera):
    for wrong in ({"image_height": 15}, {"image_width": 2000}, {"image_width": 64.0}, {"objects": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))) as caught:
            RoomsCamera(SIZE, SIZE, **wrong)
        assert str(caught.value).count(". ") == 0
    with pytest.raises(ConfigError, match="height"):
        RoomsCamera(2, SIZE)
    with pytest.raises(ObservationError, match="8 x 8"):
        camera(random_scenes(2, 6, 6, objects=2))


def test_an_empty_batch_gives_no_frames(camera):
    assert camera(random_scenes(2, SIZE, SIZE, objects=2).rows(torch.arange(0))).shape == (0, 64, 64, 3)
