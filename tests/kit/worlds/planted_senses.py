"""A small world in which senses tell of each other, and batches of what they say; for tests of objectives."""

import torch
from torch import Tensor

from senseweave.perception import Camera, Instruction, Microphone, Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.objectives import Seen
from senseweave.perception.spec import PRESENT

SMALL = PerceptionConfig(width=16, latents=2, layers=1, heads=2, state_dim=16, fusion="concat")
TWO = Spec(compass=Vector(6), touch=Vector(6))
SENSES = Spec(camera=Camera(16, 16), audio=Microphone(1, 400, 8000), instruction=Instruction(6, 32), touch=Vector(4))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def related(rows: int, seed: int) -> dict[str, Tensor]:
    """Two vectors that are different smooth, non-linear functions of the same two hidden angles, and some noise."""
    draws = generator(seed)
    angles = torch.rand(rows, 2, generator=draws) * 2 * torch.pi
    a, b = angles.unbind(dim=1)
    one = torch.stack([a.sin(), a.cos(), (2 * b).sin(), (2 * b).cos(), a.sin() * (2 * b).cos(), 0 * a], dim=1)
    other = torch.stack([(2 * a).sin(), (2 * a).cos(), b.sin(), b.cos(), (a + b).sin(), (a - b).cos()], dim=1)
    noise = torch.randn(2, rows, 6, generator=draws) * 0.05
    return {"compass": one + noise[0], "touch": other + noise[1]}


def one_to_one(rows: int, seed: int) -> dict[str, Tensor]:
    """Two vectors of which each tells all about the other: bent projections of the same two hidden numbers."""
    hidden = torch.randn(rows, 2, generator=generator(seed))
    one, other = torch.randn(2, 2, 6, generator=generator(0))
    return {"compass": torch.tanh(hidden @ one), "touch": torch.tanh(hidden @ other) * 2.0}


def sensed(rows: int, seed: int) -> dict[str, Tensor]:
    """Readings of all kinds, without relation to each other."""
    draws = generator(seed)
    return {
        "camera": torch.randint(0, 256, (rows, 16, 16, 3), generator=draws, dtype=torch.uint8),
        "audio": torch.rand(rows, 1, 400, generator=draws) - 0.5,
        "instruction": torch.randint(0, 32, (rows, 6), generator=draws, dtype=torch.int32),
        "touch": torch.randn(rows, 4, generator=draws),
    }


def perception_for(spec: Spec, seed: int = 0, config: PerceptionConfig = SMALL) -> Perception:
    """A perception with first weights of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Perception(spec, config)


def seen_by(perception: Perception, obs: dict[str, Tensor], present: Tensor | None = None) -> Seen:
    """What the perception sees, where `present` says what is here."""
    obs = obs if present is None else obs | {PRESENT: present}
    return Seen.of(obs, perception(obs, with_tokens=True))
