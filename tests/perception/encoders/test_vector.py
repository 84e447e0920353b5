"""The vector's encoder: any scale, bounded, and still telling small numbers apart."""

import pytest
import torch

from senseweave.perception import Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.encoders.vector import VectorEncoder

ABSURD = [1e30, -1e30, 3.4e38, -3.4e38, 1e-38, 0.0]


def encoder() -> VectorEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VectorEncoder(Vector(3), 16)


@pytest.mark.parametrize("number", ABSURD)
def test_absurd_numbers_give_finite_tokens_and_gradients(number):
    encode = encoder()
    numbers = torch.tensor([[number, 1.0, -2.0]], requires_grad=True)
    tokens = encode(numbers).tokens
    tokens.square().sum().backward()
    assert torch.isfinite(tokens).all() and torch.isfinite(numbers.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in encode.parameters())


def test_the_limit_is_odd_and_rises():
    numbers = torch.tensor([[-3e38], [-1e30], [-5.0], [-0.01], [0.0], [0.01], [5.0], [1e30], [3e38]])
    encode = VectorEncoder(Vector(1), 2)
    limited = []
    encode.embed[0].register_forward_pre_hook(lambda module, inputs: limited.append(inputs[0]))
    encode(numbers)
    bounded = limited[0][:, 0]
    assert (bounded.diff() > 0).all() and bounded.abs().max() < 100
    torch.testing.assert_close(bounded, -bounded.flip(0), rtol=1e-5, atol=1e-7)


def test_small_numbers_are_told_apart_beside_absurd_ones():
    encode = encoder()
    one, other = encode(torch.tensor([[1e30, 0.1, 0.0], [1e30, 0.3, 0.0]])).tokens
    assert (one - other).abs().max() > 1e-5


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int32, torch.uint8])
def test_numbers_of_any_type_are_the_same(dtype):
    encode = encoder()
    numbers = torch.tensor([[1.0, 2.0, 100.0]])
    assert torch.equal(encode(numbers.to(dtype)).tokens, encode(numbers).tokens)


def test_an_absurd_vector_under_autocast_is_finite():
    perception = Perception(Spec(touch=Vector(6)), PerceptionConfig(width=16, heads=2))
    with torch.autocast("cpu", torch.bfloat16):
        state = perception({"touch": torch.tensor([ABSURD])})
    assert torch.isfinite(state.embedding).all() and state.present.all()
