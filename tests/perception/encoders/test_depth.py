"""Depth maps: a kind with limits, drawn near to far, encoded so that near things and unknown pixels are told apart."""

import numpy as np
import pytest
import torch

from senseweave.perception import Depth, Perception, PerceptionConfig, Spec
from senseweave.perception.encoders.depth import DepthEncoder
from senseweave.perception.errors import SpecError
from senseweave.perception.kinds.depth import UNKNOWN

SMALL = PerceptionConfig(width=16, heads=2)


def encoder(height: int = 16, width: int = 16, max_m: float = 10.0) -> DepthEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DepthEncoder(Depth(height, width, max_m), 16)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 33), (120, 160), (480, 640)])
def test_a_map_of_any_size_gives_at_most_64_tokens(height: int, width: int) -> None:
    encode = encoder(height, width).requires_grad_(False)
    rows, columns = encode.grid_shape
    group = encode(torch.rand(2, height, width) * 10)
    assert group.tokens.shape == (2, rows * columns, 16) and rows * columns <= 64
    assert group.mask.all() and torch.isfinite(group.tokens).all()


def test_unknown_is_neither_near_nor_far() -> None:
    encode = encoder().requires_grad_(False)
    maps = torch.tensor([0.0, 1e-4, 10.0])[:, None, None].expand(3, 16, 16)
    unknown, near, far = encode(maps).tokens
    assert all((one - other).abs().max() > 1e-2 for one, other in ((unknown, near), (unknown, far), (near, far)))


def test_a_hands_breadth_counts_for_more_when_it_is_near() -> None:
    encode = encoder().requires_grad_(False)
    near, nearer, far, farther = encode(torch.tensor([1.0, 1.1, 9.0, 9.1])[:, None, None].expand(4, 16, 16)).tokens
    assert (nearer - near).norm() > 2 * (farther - far).norm()


def test_what_is_beyond_the_limits_is_cut_off() -> None:
    encode = encoder().requires_grad_(False)
    wild, ends = torch.tensor([1e30, -1e30, 10.0, 0.0])[:, None, None].expand(4, 16, 16).split(2)
    assert torch.equal(encode(wild).tokens, encode(ends).tokens)


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-4, 10.0, 1e30])
def test_gradients_are_finite_where_a_root_is_steep(value: float) -> None:
    encode = encoder()
    maps = torch.full((1, 16, 16), value, requires_grad=True)
    encode(maps).tokens.square().sum().backward()
    assert maps.grad is not None and torch.isfinite(maps.grad).all()
    assert all(torch.isfinite(weight.grad).all() for weight in encode.parameters() if weight.grad is not None)


def test_a_depth_sense_works_like_any_other(tmp_path) -> None:
    perception = Perception(Spec(depth=Depth(16, 16, 4.0)), SMALL)
    obs = perception.prepare({"depth": [np.full((16, 16), 2.0, np.float32), np.full((16, 16), np.nan, np.float32)]})
    state = perception(obs)
    assert state.present.tolist() == [[True], [False]] and state.non_finite.tolist() == [[False], [True]]
    perception.save_pretrained(tmp_path)
    again = Perception.from_pretrained(tmp_path)
    assert again.spec == perception.spec and torch.equal(again(obs).embedding, state.embedding)


def test_the_space_of_a_depth_map_is_read_back() -> None:
    spec = Spec(scan=Depth(20, 16, 4.0))
    assert Spec.from_space(spec.space()) == spec
    assert Spec.from_json(spec.to_json()) == spec


def test_near_is_bright_and_unknown_has_a_colour() -> None:
    picture = Depth(16, 16, 10.0).draw(np.linspace(0, 10, 256, dtype=np.float32).reshape(16, 16)).reshape(-1, 3)
    assert tuple(picture[0]) == UNKNOWN and picture[1].min() > 250 and picture[-1].max() == 0
    assert (np.diff(picture[1:, 0].astype(int)) <= 0).all()


@pytest.mark.parametrize("max_m", [0, -1.0, float("inf"), float("nan"), "far", True])
def test_a_limit_that_is_no_distance_is_refused(max_m) -> None:
    with pytest.raises(SpecError, match="`max_m` of Depth must be above 0"):
        Depth(16, 16, max_m)


@pytest.mark.parametrize("size", [(15, 64), (64, 15), (0, 16)])
def test_maps_that_are_too_small_are_refused(size) -> None:
    with pytest.raises(SpecError, match="at least"):
        Depth(*size, 4.0)
