"""The grid's encoder: a category of a channel in a cell, each of its own; numbers beyond the sizes stay in bounds."""

import itertools

import pytest
import torch

from senseweave.perception import Grid
from senseweave.perception.encoders.grid import GridEncoder


def encoder(height: int = 3, width: int = 4, sizes: tuple[int, ...] = (4, 3, 2)) -> GridEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GridEncoder(Grid(height, width, sizes), 16).requires_grad_(False)


def cells(height: int = 3, width: int = 4, sizes: tuple[int, ...] = (4, 3, 2), seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    channels = [torch.randint(0, size, (2, height, width), generator=generator) for size in sizes]
    return torch.stack(channels, dim=-1).to(torch.uint8)


def test_a_cell_is_the_sum_of_its_categories_at_its_place():
    encode, grid = encoder(), cells()
    table, position = encode.categories.weight, encode.row + encode.column
    got = encode(grid).tokens.view(2, 3, 4, 16)
    for b, row, column in itertools.product(range(2), range(3), range(4)):
        kind, colour, state = (int(number) for number in grid[b, row, column])
        summed = table[:, kind] + table[:, 4 + colour] + table[:, 4 + 3 + state] + position[row, column]
        torch.testing.assert_close(got[b, row, column], encode.norm(summed + encode.mix(summed)), rtol=1e-5, atol=1e-5)


def test_every_combination_of_categories_gives_another_token():
    encode = encoder(1, 1)
    every = torch.tensor(list(itertools.product(range(4), range(3), range(2))), dtype=torch.uint8)
    tokens = encode(every[:, None, None]).tokens[:, 0]
    assert (torch.cdist(tokens, tokens) + torch.eye(len(tokens))).min() > 1e-2


def test_categories_beyond_a_channels_size_count_as_its_last():
    encode, grid = encoder(), cells()
    grid[..., 0], grid[..., 1], grid[..., 2] = 255, 3, 2
    last = grid.clone()
    last[..., 0], last[..., 1], last[..., 2] = 3, 2, 1
    assert torch.equal(encode(grid).tokens, encode(last).tokens)


@pytest.mark.parametrize("number", [-1.0, -1e30, 1e30])
def test_absurd_floats_stay_in_bounds(number):
    encode = encoder()
    wild = torch.full((1, 3, 4, 3), number)
    bound = torch.tensor([0, 0, 0] if number < 0 else [3, 2, 1], dtype=torch.uint8).expand(1, 3, 4, 3)
    assert torch.equal(encode(wild).tokens, encode(bound).tokens)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.int64])
def test_categories_of_any_number_type_are_the_same(dtype):
    encode, grid = encoder(), cells()
    assert torch.equal(encode(grid.to(dtype)).tokens, encode(grid).tokens)


def test_channels_of_256_categories_work():
    encode = encoder(2, 2, (256, 256))
    grid = cells(2, 2, (256, 256))
    grid[0, 0, 0, 0] = 255
    assert torch.isfinite(encode(grid).tokens).all()
    assert torch.equal(encode(grid.float()).tokens, encode(grid).tokens)


def test_the_same_cell_at_another_place_is_another_token():
    tokens = encoder()(torch.zeros(1, 3, 4, 3, dtype=torch.uint8)).tokens[0]
    assert (torch.cdist(tokens, tokens) + torch.eye(12)).min() > 1e-2
