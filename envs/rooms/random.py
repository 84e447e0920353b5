"""Random numbers as a hash of counters: no generator, no state, the same bits at any batch size and on any device.

A life is named by (seed, environment, episode); `life_key` makes one number of it, and every random decision of that
life is a hash of its key and of the decision's own number. int64 arithmetic wraps alike everywhere.

Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" (the mixing function of SplitMix64,
Stafford's variant 13).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def _shifted(x: Tensor, bits: int) -> Tensor:
    """A logical shift to the right, which torch lacks: the sign's copies are masked away."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
    """Scrambles 64 bits, one to one."""
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def child_key(key: Int[Tensor, "*b"], number: int | Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
    """The key of the `number`-th branch under a key; hashes of two branches have nothing to do with each other."""
    step = (number + 1) * _GOLDEN
    if isinstance(step, int):
        step = (step + 2**63) % 2**64 - 2**63  # wraps as a tensor's product does
    return mix(key + step)


def life_key(seed: Int[Tensor, " b"], index: Int[Tensor, " b"], episode: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
    """The key of one episode of one environment."""
    return child_key(child_key(mix(seed), index), episode)


def draw_integer(
    key: Int[Tensor, "*b"], draw: int | Int[Tensor, "*b"], below: int | Int[Tensor, "*b"]
) -> Int[Tensor, "*b"]:
    """A whole number in 0..below - 1, uniform but for less than one part in 2^50.

    Args:
        key: of the life, or of a branch of it.
        draw: the decision's own number; the same number gives the same value again.
        below: at least 1.
    """
    return _shifted(child_key(key, draw), 1) % below


def draw_uniform(key: Int[Tensor, "*b"], draw: int | Int[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """A float32 in [0, 1), a multiple of 2^-24, the same bits on every device."""
    return _shifted(child_key(key, draw), 40).to(torch.float32) * 2.0**-24


def draw_bits(key: Int[Tensor, " b"], draws: Int[Tensor, " n"]) -> Int[Tensor, "b n"]:
    """63 random bits for every key and every draw: `draw_integer(key, draw, below)` is `draw_bits(...) % below`."""
    return _shifted(mix(key[:, None] + (draws + 1) * _GOLDEN), 1)
