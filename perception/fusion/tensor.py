"""Tensor fusion: the outer product of all modalities' vectors, so that every product of features has its own weight.

b batch, k size of a vector, p product of all (k + 1), s state width
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import SpecError
from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.pool import AttentionPools

WANTED = 1024
"""How many entries the product shall have, about: k is as large as that allows, from 2 to 32."""
MOST = 4096
"""How many entries are too many: 3 ** 7 is below, 3 ** 8 above."""


class TensorFusion(SizedFusion):
    """state = f([1; h_1] x ... x [1; h_m]), the outer product of vectors of k numbers, each with a 1 in front.

    The product has (k + 1) ** m entries. An absent modality's h is 0, which leaves exactly the product of the others,
    surrounded by zeros. `fusion_width` is the width of the layer that reads the product; k follows from the number of
    modalities: 9 for three of them, 2 for seven.
    Source: Zadeh et al. 2017 (TFN, arXiv 1707.07250), section 4.2, the tensor fusion layer.

    Raises:
        SpecError: there are so many modalities that the product would be absurdly large.
    """

    def build(self, sizes: Sizes) -> None:
        inner, size = sizes.inner(sizes.state_dim), vector_size(len(self.names))
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.vectors = NamedModules(
            {name: nn.Sequential(nn.Linear(sizes.width, size), nn.Tanh()) for name in self.names}
        )
        self.mix = nn.Sequential(
            nn.Linear((size + 1) ** len(self.names), inner),
            nn.LayerNorm(inner),
            nn.GELU(),
            nn.Linear(inner, sizes.state_dim),
        )

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        pooled, maps = self.pools(groups)
        vectors = [
            torch.where(groups[name].available[:, None], shrink(pooled[name]), 0.0)  # b k
            for name, shrink in self.vectors.items()
        ]
        return Fused(self.mix(outer_product(vectors)), availability(groups), maps)


def vector_size(modalities: int) -> int:
    """The size k of each modality's vector, for which the product stays bounded.

    Raises:
        SpecError: even vectors of 2 numbers would make too large a product.
    """
    size = min(32, max(2, math.floor(WANTED ** (1 / modalities) + 1e-9) - 1))
    if (size + 1) ** modalities > MOST:
        raise SpecError(
            f'The fusion "tensor" multiplies all senses into a product of {size + 1} ** {modalities} numbers, and more '
            f'than {MOST} are absurd; got {modalities} senses. Choose fusion="low_rank_tensor", which grows with their '
            "sum."
        )
    return size


def outer_product(vectors: Sequence[Float[Tensor, "b _"]]) -> Float[Tensor, "b p"]:
    """The outer product of [1; v] of all vectors, flattened; the last vector's index runs fastest."""
    product = torch.ones_like(vectors[0][:, :1])
    for vector in vectors:
        extended = torch.cat([torch.ones_like(vector[:, :1]), vector], dim=1)
        product = (product[:, :, None] * extended[:, None]).flatten(1)
    return product
