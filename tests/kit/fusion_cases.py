"""Token groups and small fusions in float64, for tests that compute a fusion a second time in another way."""

from typing import Any

import torch

from kit.absence_cases import randomise
from senseweave.perception import FUSIONS, TokenGroup

SIZES = {"width": 6, "latents": 2, "layers": 1, "heads": 2, "state_dim": 5}
NAMES = ("audio", "camera", "touch")
ROWS = 4


def fusion_of(fusion: str, names: tuple[str, ...] = NAMES, seed: int = 0, **changes: int) -> Any:
    """A fusion in which every parameter was moved from where it starts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FUSIONS[fusion](names, **SIZES | changes).double()
        randomise(network)
    return network


def groups_of(
    names: tuple[str, ...] = NAMES, seed: int = 0, absent: tuple[str, ...] = (), *, padded: bool = True
) -> dict[str, TokenGroup]:
    """Tokens of each modality, 3, 4, 5... of them, the last of which is padding."""
    generator = torch.Generator().manual_seed(seed)
    groups = {}
    for i, name in enumerate(names):
        tokens = torch.randn(ROWS, 3 + i, SIZES["width"], generator=generator, dtype=torch.float64)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
        mask[:, -1] = not padded
        groups[name] = TokenGroup(tokens, mask & (name not in absent))
    return groups
