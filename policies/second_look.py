"""`Percept`: what a policy perceives of a batch, and `SecondLook`: looking at it once more, knowing what is recalled.

The first look is the perception's: it knows what the senses say now. A memory stands behind it, so what was heard some
seconds ago ("go to the ringing object") could not steer where the agent looks; a second look can. It needs no step to
wait for another, so that sequences stay parallel over time.

n rows, m modalities, k tokens, d width of a token, e width of the embedding, f width of what is known, o width of what
is seen
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..perception.fusion.gated_cross_attention import Primer
from ..perception.fusion.parts.gated import GatedCrossAttention, masked_mean
from ..perception.modules import NamedModules
from ..perception.tokens import TokenGroup


class Percept(NamedTuple):
    """The state embedding, and the tokens that it was made of."""

    embedding: Float[Tensor, "n e"]
    tokens: Mapping[str, TokenGroup]
    """By modality; empty where the features extractor is none of ours."""
    present: Bool[Tensor, "n m"] | None = None
    """Which modalities are really here, in the spec's order; tokens may be imputed where one is not."""

    def float(self) -> Self:
        """The same in float32."""
        tokens = {name: group._replace(tokens=group.tokens.float()) for name, group in self.tokens.items()}
        return self._replace(embedding=self.embedding.float(), tokens=tokens)

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """One batch of several."""
        if len(parts) == 1:
            return parts[0]
        tokens = {
            name: TokenGroup(*(torch.cat(same) for same in zip(*(part.tokens[name] for part in parts), strict=True)))
            for name in parts[0].tokens
        }
        given = [part.present for part in parts if part.present is not None]
        return cls(torch.cat([part.embedding for part in parts]), tokens, torch.cat(given) if given else None)


class SecondLook(nn.Module):
    """Queries made of what is known, the state embedding and what a memory recalls, attend to the senses' tokens.

    An absent sense contributes exactly nothing, as in the perception.

    Args:
        names: the modalities.
        width: of their tokens, d.
        heads: of the attention.
        latents: queries.
        known: width of what is known, f.
        out: width of what is seen, o.

    Source: a block of the default fusion (fusion/parts/gated.py) whose queries come from a recurrent state, as in
        the read unit of Hudson and Manning 2018 (MAC, arXiv 1803.03067), section 3.2.2.
    """

    def __init__(self, names: Sequence[str], *, width: int, heads: int, latents: int, known: int, out: int) -> None:
        super().__init__()
        self.width = width
        # the queries and the readout; saved files know them by these names
        self.ask = nn.Linear(known, latents * width)
        self.primers = NamedModules({name: Primer(width, latents) for name in names})
        self.block = GatedCrossAttention(names, width, heads)
        self.tell = nn.Sequential(nn.LayerNorm(latents * width), nn.Linear(latents * width, out))

    def forward(self, known: Float[Tensor, "n f"], tokens: Mapping[str, TokenGroup]) -> Float[Tensor, "n o"]:
        """What is seen at the second look."""
        queries = latents = self.ask(known).unflatten(-1, (-1, self.width))
        means = {name: masked_mean(group) for name, group in tokens.items()}
        for name, primer in self.primers.items():  # the block sees only how tokens differ from their mean
            latents = latents + primer(queries, tokens[name], means[name])[0]
        latents, _, _ = self.block(latents, tokens, means)
        return self.tell(latents.flatten(1))
