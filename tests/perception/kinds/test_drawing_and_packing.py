"""Every kind draws a reading and packs it for a recording: ours, and one of a user's own that says nothing about it."""

import dataclasses

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from senseweave.perception.kinds.base import Kind
from senseweave.perception.kinds.drawing import BACKGROUND, COLOURS, rows_of_values, share_of_limits
from senseweave.perception.spec import Camera, Depth, Grid, Instruction, Microphone, Vector


@dataclasses.dataclass(frozen=True)
class Anything(Kind):
    """A kind that says no more than it must."""

    size: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    dtype = np.float32

    def space(self) -> spaces.Box:
        return spaces.Box(self.low, self.high, self.size, np.float32)


KINDS = (
    Camera(16, 20),
    Depth(16, 20, 5.0),
    Microphone(2, 400, 8000),
    Microphone(3, 5, 8000),
    Instruction(6, 32),
    Vector(7),
    Grid(3, 4, (4, 3)),
    Anything((5,)),
    Anything((4, 6), -np.inf, np.inf),
    Anything((4, 6, 2)),
    Anything((2, 3, 4, 5)),
    Anything(()),
)


def sample(kind: Kind, seed: int) -> np.ndarray:
    space = kind.space()
    space.seed(seed)
    reading = space.sample()
    return (np.round(reading * 2**15) / 2**15).astype(np.float32) if isinstance(kind, Microphone) else reading


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_packed_reading_comes_back_bit_for_bit(kind):
    for reading in (sample(kind, 0), sample(kind, 1), kind.placeholder()):
        packed = kind.pack(reading)
        assert all(isinstance(value, bytes) == (key == "data") for key, value in packed.items())
        again = kind.unpack(packed)
        assert again.tobytes() == reading.tobytes()
        assert (again.dtype, again.shape) == (reading.dtype, reading.shape)


def test_sound_is_packed_in_16_bits_unless_that_would_lose_something():
    kind = Microphone(1, 4, 8000)
    assert kind.pack(np.array([[0.5, -1.0, 0.25, 0.0]], np.float32))["format"] == "pcm-s16"
    assert kind.pack(np.array([[1.0, 0.1, -0.0, 0.0]], np.float32))["format"] == "pcm-f32"


def test_less_than_a_whole_window_of_sound_can_be_packed():
    kind = Microphone(2, 400, 8000)
    block = sample(kind, 3)[:, 390:]
    assert kind.unpack(kind.pack(block)).tobytes() == block.tobytes()


@pytest.mark.parametrize("packed", [{}, {"data": b"123"}, {"data": "text"}, {"tokens": [1] * 7}, {"tokens": None}])
@pytest.mark.parametrize("kind", [Vector(7), Instruction(6, 32), Camera(16, 20)], ids=repr)
def test_what_is_no_packed_reading_is_refused(kind, packed):
    with pytest.raises((KeyError, TypeError, ValueError)):
        kind.unpack(packed)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_reading_is_drawn_in_rgb_and_differently_from_another(kind):
    one, other = kind.draw(sample(kind, 0)), kind.draw(sample(kind, 1))
    if kind.is_text:
        assert one is None and other is None
        return
    for picture in (one, other):
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    assert one.shape == other.shape and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("size", "shape"), [((), (1, 1)), ((5,), (1, 5)), ((4, 6), (4, 6)), ((4, 6, 2), (4, 6)), ((2, 3, 4, 5), (6, 4))]
)
def test_a_value_of_a_kind_of_ones_own_is_a_cell(size, shape):
    picture = Anything(size).draw(np.ones(size, np.float32))
    assert picture.shape == (*shape, 3) and (picture == 255).all()
    assert not Anything(size).draw(np.zeros(size, np.float32)).any()


def test_channels_of_a_third_axis_are_red_green_and_blue():
    reading = np.zeros((1, 2, 4), np.float32)
    reading[0, 0] = [1.0, 0.2, 0.0, 1.0]
    assert Anything((1, 2, 4)).draw(reading)[0].tolist() == [[255, 51, 0], [0, 0, 0]]


def test_a_grid_of_two_channels_is_drawn_by_the_share_of_each_category():
    cells = np.array([[[0, 2], [3, 1]]], np.uint8)
    assert Grid(1, 2, (4, 3)).draw(cells)[0].tolist() == [[0, 255, 0], [255, 128, 255]]


def test_a_camera_frame_is_its_own_picture():
    frame = sample(Camera(16, 20), 2)
    assert Camera(16, 20).draw(frame) is frame


def test_louder_sound_is_drawn_higher_and_each_channel_in_a_row_of_its_own():
    kind = Microphone(2, 400, 8000)
    sound = np.zeros((2, 400), np.float32)
    sound[0] = 0.25 * np.sin(np.arange(400))
    inks = [(kind.draw(sound * loud) == colour).all(axis=-1) for loud in (1, 3) for colour in COLOURS[:2]]
    quiet, silent, loud, _ = (int(ink.any(axis=1).sum()) for ink in inks)
    assert loud == pytest.approx(3 * quiet, abs=4) and silent == 1
    assert not inks[2][160:].any() and (kind.draw(sound)[0] == BACKGROUND).all()


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8]),
        arrays.array_shapes(min_dims=0, max_dims=4, max_side=5),
    ),
    st.sampled_from([(0.0, 1.0), (-np.inf, np.inf), (0.0, np.inf), (2.0, 2.0), (-1e30, 1e30)]),
)
def test_any_numbers_can_be_drawn(values, limits):
    low, high = (np.full(values.shape, limit) for limit in limits)
    shares = share_of_limits(values, low, high)
    assert shares.shape == values.shape and ((shares >= 0) & (shares <= 1)).all()
    assert rows_of_values(shares).dtype == np.uint8


def test_larger_values_are_drawn_brighter_with_limits_and_without():
    values = np.array([-np.inf, -5.0, 0.0, 0.1, 5.0, np.inf])
    for limit in (8.0, np.inf):
        shares = share_of_limits(values, np.full(6, -limit), np.full(6, limit))
        assert (np.diff(shares) > 0).all() and shares[2] == 0.5
