"""The camera's encoder: any size from 16 x 16 up, uint8 until the last moment, floats cut off at both ends."""

import math

import pytest
import torch

from senseweave.perception import Camera, Perception, PerceptionConfig, Spec
from senseweave.perception.encoders.camera import MAX_PATCHES, CameraEncoder
from senseweave.perception.errors import ObservationError, SpecError

SIZES = [(16, 16), (16, 200), (17, 33), (64, 64), (56, 56), (120, 160), (210, 160), (480, 640)]


def encoder(height: int, width: int) -> CameraEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CameraEncoder(Camera(height, width), 16).requires_grad_(False)


def frames(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_camera_of_any_size_gives_at_most_64_tokens(height, width):
    encode = encoder(height, width)
    group = encode(frames(height, width))
    rows, columns = encode.grid_shape
    assert group.tokens.shape == (2, rows * columns, 16)
    assert rows * columns <= MAX_PATCHES and group.mask.all()
    assert torch.isfinite(group.tokens).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_corner_of_the_frame_is_seen(height, width):
    encode = encoder(height, width)
    dark = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    for row, column in [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]:
        lit = dark.clone()
        lit[0, row, column] = 255
        assert not torch.equal(encode(lit).tokens, encode(dark).tokens), (row, column)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (120, 160)])
def test_a_token_belongs_to_the_patch_that_its_number_says(height, width):
    encode = encoder(height, width)
    rows, columns = encode.grid_shape
    dark = torch.full((1, height, width, 3), 100, dtype=torch.uint8)
    for row, column in [(0, 0), (1, columns - 1), (rows - 1, columns // 2)]:
        lit = dark.clone()
        y, x = (row + 0.5) * height / rows, (column + 0.5) * width / columns
        lit[0, math.floor(y) - 1 : math.floor(y) + 1, math.floor(x) - 1 : math.floor(x) + 1] = 255
        change = (encode(lit).tokens - encode(dark).tokens)[0].norm(dim=-1)
        loudest = divmod(int(change.argmax()), columns)
        assert abs(loudest[0] - row) <= 1 and abs(loudest[1] - column) <= 1


def test_uint8_and_floats_of_the_same_numbers_are_the_same():
    encode, seen = encoder(17, 33), frames(17, 33)
    for dtype in (torch.float32, torch.float64, torch.int32):
        assert torch.equal(encode(seen.to(dtype)).tokens, encode(seen).tokens)


def test_float_frames_are_cut_off_at_0_and_255():
    encode = encoder(16, 16)
    ends = frames(16, 16) // 128  # 0 or 1
    wild = torch.where(ends == 0, -1e30, 1e30)
    assert torch.equal(encode(wild).tokens, encode(ends * 255).tokens)


def test_a_frame_stays_uint8_until_the_encoder():
    perception = Perception(Spec(camera=Camera(16, 16)), PerceptionConfig(width=16, heads=2))
    seen = []
    perception.encoders["camera"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype))
    obs = perception.prepare({"camera": frames(16, 16).numpy()})
    assert obs["camera"].dtype == torch.uint8
    perception(obs)
    perception({"present": torch.zeros(2, 1)})
    assert seen == [torch.uint8, torch.uint8]


def test_what_is_up_differs_from_what_is_left():
    perception = Perception(Spec(camera=Camera(64, 64)), PerceptionConfig(width=16, heads=2))
    seen = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    seen[0, :10, 30:40] = 255
    seen[1, 30:40, :10] = 255
    one, other = perception({"camera": seen}).embedding
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize("size", [(15, 64), (64, 15), (1, 1)])
def test_a_camera_below_16_pixels_is_refused(size):
    with pytest.raises(SpecError, match="at least 16 x 16 pixels"):
        Camera(*size)


def test_a_frame_with_channels_first_is_refused():
    perception = Perception(Spec(camera=Camera(16, 16)), PerceptionConfig(width=16, heads=2))
    with pytest.raises(ObservationError, match='"camera" must be real numbers of shape'):
        perception({"camera": torch.zeros(2, 3, 16, 16, dtype=torch.uint8)})
