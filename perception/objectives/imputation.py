"""Imputation: the tokens of absent senses, made of the tokens of those that are here, before the fusion looks.

Deterministic, and only a guess: `State.present` and `State.gates` go on saying what is really here. How an imputer
learns is said in objectives/autoencoder.py and objectives/translation.py; here it is only used.

b batch, m modalities, n tokens of one modality, k tokens of all, d width, h heads, e width of one head, z noise
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from ..errors import SpecError
from ..fusion.parts.gated import masked_softmax
from ..fusion.parts.pool import AttentionPool
from ..modules import NamedModules
from ..tokens import TokenGroup

NOISE = 8
"""Numbers that stand for what the other senses cannot tell."""


class Generated(NamedTuple):
    """The tokens of a modality as they are guessed, and whether each of them counts (above 0) or is padding."""

    tokens: Float[Tensor, "b n d"]
    counts: Float[Tensor, "b n"]


class Imputer(nn.Module):
    """Base of all imputers.

    Args:
        sizes: modality -> how many tokens a whole reading has.
        width: of a token.
        heads: of attention.

    Raises:
        SpecError: there is only one modality, and nothing to make it of.
    """

    def __init__(self, sizes: Mapping[str, int], *, width: int, heads: int) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise SpecError(
                f'Imputation makes a sense of the others and needs two; got {", ".join(sizes)} alone. Take "none".'
            )
        self.sizes = dict(sizes)

    def generate(
        self, groups: Mapping[str, TokenGroup], noise: Float[Tensor, "b z"] | None = None
    ) -> dict[str, Generated]:
        """Guesses the tokens of every modality from those that count; meaningless where none does."""
        raise NotImplementedError

    def fill(self, groups: Mapping[str, TokenGroup], present: Bool[Tensor, "b m"]) -> dict[str, TokenGroup]:
        """The groups with guesses in the place of what is absent; where all is absent, it stays so.

        A shorter group (instructions without their padding) is filled up with masked tokens: a guess may be longer.
        """
        made, can = self.generate(groups), present.any(dim=1)
        filled = {}
        for i, (name, group) in enumerate(groups.items()):
            tokens, counts = made[name]
            missing = self.sizes[name] - group.tokens.shape[1]
            own, mask = group
            if missing > 0:
                own, mask = functional.pad(own, (0, 0, 0, missing)), functional.pad(mask, (0, missing))
            guessed = (can & ~present[:, i])[:, None]
            is_first = torch.arange(self.sizes[name], device=mask.device) == 0
            filled[name] = TokenGroup(
                torch.where(guessed[..., None], tokens.to(own.dtype), own),
                torch.where(guessed, (counts > 0) | is_first, mask),
            )
        return filled


class AutoencoderImputer(Imputer):
    """One code of all senses that are here, from which the tokens of every sense are read."""

    def __init__(self, sizes: Mapping[str, int], *, width: int, heads: int) -> None:
        super().__init__(sizes, width=width, heads=heads)
        self.pools = NamedModules({name: AttentionPool(width, heads) for name in sizes})
        self.code = nn.Sequential(nn.Linear(len(sizes) * (width + 1), 4 * width), nn.GELU())
        self.decoders = NamedModules({name: Decoder(n, 4 * width, width) for name, n in sizes.items()})

    def generate(
        self, groups: Mapping[str, TokenGroup], noise: Float[Tensor, "b z"] | None = None
    ) -> dict[str, Generated]:
        vectors = []
        for name, pool in self.pools.items():
            vector, _ = pool(groups[name])
            vectors += [vector, groups[name].available[:, None].to(vector.dtype)]
        code = self.code(torch.cat(vectors, dim=-1))
        return {name: decoder(code) for name, decoder in self.decoders.items()}


class Decoder(nn.Module):
    """The tokens of one modality from a code: each place asks it in its own way."""

    def __init__(self, tokens: int, code: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(tokens, 2 * width) * 0.3)
        # the query and the readout; saved files know them by these names
        self.ask = nn.Linear(code, 2 * width)
        self.tell = nn.Sequential(
            nn.GELU(), nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width + 1)
        )

    def forward(self, code: Float[Tensor, "b c"]) -> Generated:
        """Reads every place."""
        query = self.ask(code)[:, None]
        readout = self.tell(self.places + query)
        return Generated(readout[..., :-1], readout[..., -1])


class TranslationImputer(Imputer):
    """A generator for every sense, whose places attend to the tokens of the senses that are here."""

    def __init__(self, sizes: Mapping[str, int], *, width: int, heads: int) -> None:
        super().__init__(sizes, width=width, heads=heads)
        self.senses = NamedModules({name: nn.Linear(width, width) for name in sizes})
        self.generators = NamedModules({name: Generator(n, width, heads) for name, n in sizes.items()})

    def generate(
        self, groups: Mapping[str, TokenGroup], noise: Float[Tensor, "b z"] | None = None
    ) -> dict[str, Generated]:
        context = TokenGroup(
            torch.cat([sense(groups[name].tokens) for name, sense in self.senses.items()], dim=1),
            torch.cat([groups[name].mask for name, _ in self.senses.items()], dim=1),
        )
        return {name: generator(context, noise) for name, generator in self.generators.items()}


class Generator(nn.Module):
    """The tokens of one modality from those of the others, and from noise where there is any."""

    def __init__(self, tokens: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.places = nn.Parameter(torch.randn(tokens, width) * 0.3)
        self.noise = nn.Linear(NOISE, width, bias=False)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.mix = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, 4 * width), nn.GELU())
        self.tell = nn.Linear(4 * width, width + 1)  # the readout; saved files know it by this name

    def forward(self, context: TokenGroup, noise: Float[Tensor, "b z"] | None = None) -> Generated:
        """Makes every token."""
        keys = self.key(context.tokens).unflatten(-1, (self.heads, -1))  # b k h e
        values = self.value(context.tokens).unflatten(-1, (self.heads, -1))
        queries = self.query(self.places).unflatten(-1, (self.heads, -1))  # n h e
        scores = torch.einsum("nhe,bkhe->bhnk", queries, keys) / math.sqrt(queries.shape[-1])
        weights = masked_softmax(scores.flatten(1, 2), context.mask).view(scores.shape)
        found = torch.einsum("bhnk,bkhe->bnhe", weights.to(values.dtype), values).flatten(2)  # b n d
        places = self.places if noise is None else self.places + self.noise(noise)[:, None]
        readout = self.tell(self.mix(torch.cat([found, places.to(found.dtype).expand_as(found)], dim=-1)))
        return Generated(readout[..., :-1], readout[..., -1])
