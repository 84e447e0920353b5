"""The fusion of `Perception` as one would write it with other libraries, to be measured beside ours.

Every class here is put in the place of `perception.fusion`, so encoders, tokens, latents, width, heads, layers, the
readout and the cleaning of the input are the same. All of them get the tokens' masks, as padding and absence need
them; none of them keeps the absence contract. The libraries come with `pip install "senseweave[bench]"`.

b batch, n tokens, d width, l latents, s state width
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from senseweave.perception.fusion import Fused, Fusion
from senseweave.perception.tokens import TokenGroup


class LatentFusion(Fusion):
    """Learned latents in front, the readout of `gated_cross_attention` behind; subclasses fill in `attend`."""

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.latents = nn.Parameter(torch.randn(latents, width) * 0.5)
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(latents * width, state_dim)

    def attend(self, groups: Mapping[str, TokenGroup]) -> Tensor:
        """Returns the latents (b, l, d) after they have seen every modality."""
        raise NotImplementedError

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        latents = self.norm(self.attend(groups))
        return Fused(self.readout(latents.flatten(1)), {}, {})

    def start(self, groups: Mapping[str, TokenGroup]) -> Tensor:
        """The latents before the first block, (b, l, d)."""
        return self.latents.expand(len(next(iter(groups.values())).tokens), -1, -1)


class TorchFusion(LatentFusion):
    """`nn.MultiheadAttention`, one per modality and layer, so that each modality keeps a gate of its own.

    A sigmoid gate for every latent and modality, a feed-forward network of twice the width and self-attention among
    the latents, as in ours; `need_weights=False`, which lets torch take its fused kernel.
    """

    def __init__(self, names: Sequence[str], *, width: int, layers: int, heads: int, **sizes: int) -> None:
        super().__init__(names, width=width, layers=layers, heads=heads, **sizes)
        self.blocks = nn.ModuleList(_TorchBlock(len(names), width, heads) for _ in range(layers))

    def attend(self, groups: Mapping[str, TokenGroup]) -> Tensor:
        latents = self.start(groups)
        for block in self.blocks:
            latents = block(latents, list(groups.values()))
        return latents


class _TorchBlock(nn.Module):
    def __init__(self, modalities: int, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.mix_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(modalities)
        )
        self.gates = nn.Linear(width, modalities)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.mix = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, latents: Tensor, groups: Sequence[TokenGroup]) -> Tensor:
        normed = self.norm(latents)
        gates = torch.sigmoid(self.gates(normed))  # b l m
        for i, (attention, (tokens, mask)) in enumerate(zip(self.attentions, groups, strict=True)):
            seen, _ = attention(normed, tokens, tokens, key_padding_mask=~mask, need_weights=False)
            latents = latents + gates[..., i : i + 1] * seen
        latents = latents + self.feed_forward(latents)
        normed = self.mix_norm(latents)
        return latents + self.mix(normed, normed, normed, need_weights=False)[0]


class XTransformersFusion(LatentFusion):
    """x-transformers on all tokens side by side, the one context that its modules take.

    `CrossAttender(attn_flash=True, attn_gate_value_heads=True, ff_mult=2)`: cross-attention with a sigmoid gate per
    head and latent (the library's nearest to ours), then feed-forward. It has no self-attention among the latents and
    no gate per modality: less work than ours does.
    """

    def __init__(self, names: Sequence[str], *, width: int, layers: int, heads: int, **sizes: int) -> None:
        super().__init__(names, width=width, layers=layers, heads=heads, **sizes)
        self.network = self.build(dim=width, depth=layers, heads=heads, attn_dim_head=width // heads)

    def build(self, **sizes: int) -> nn.Module:
        """The library's network."""
        from x_transformers import CrossAttender

        return CrossAttender(**sizes, attn_flash=True, attn_gate_value_heads=True, ff_mult=2, verbose=False)

    def attend(self, groups: Mapping[str, TokenGroup]) -> Tensor:
        tokens, mask = side_by_side(groups)
        return self.network(self.start(groups), context=tokens, context_mask=mask)


class XTransformersEncoderFusion(XTransformersFusion):
    """The same with `Encoder(cross_attend=True)`: self-attention among the latents, cross-attention, feed-forward.

    Its parts are ours, one for one, but for the gates per modality and the priming of the latents.
    """

    def build(self, **sizes: int) -> nn.Module:
        from x_transformers import Encoder

        return Encoder(
            **sizes, cross_attend=True, attn_flash=True, attn_gate_value_heads=True, ff_mult=2, verbose=False
        )


class PerceiverFusion(LatentFusion):
    """perceiver-pytorch on all tokens side by side, with as many cross-attention heads as latent heads.

    Each of its layers is cross-attention, feed-forward, one latent self-attention, feed-forward. The library fixes
    its feed-forward networks at four times the width with a gated GELU, and has no gates.
    """

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        from perceiver_pytorch import Perceiver

        del self.latents  # the library has latents of its own
        self.network = Perceiver(
            num_freq_bands=1,
            max_freq=1.0,
            depth=layers,
            input_channels=width,
            input_axis=1,
            num_latents=latents,
            latent_dim=width,
            cross_heads=heads,
            latent_heads=heads,
            cross_dim_head=width // heads,
            latent_dim_head=width // heads,
            self_per_cross_attn=1,
            fourier_encode_data=False,
            final_classifier_head=False,
        )

    def attend(self, groups: Mapping[str, TokenGroup]) -> Tensor:
        tokens, mask = side_by_side(groups)
        return self.network(tokens, mask=mask)


def side_by_side(groups: Mapping[str, TokenGroup]) -> tuple[Tensor, Tensor]:
    """All tokens (b, n, d) and masks (b, n) of all modalities in one row."""
    return (
        torch.cat([group.tokens for group in groups.values()], dim=1),
        torch.cat([group.mask for group in groups.values()], dim=1),
    )


OTHER_FUSIONS: dict[str, tuple[str | None, Callable[..., Fusion]]] = {
    "nn.MultiheadAttention": (None, TorchFusion),
    "x-transformers CrossAttender": ("x_transformers", XTransformersFusion),
    "x-transformers Encoder": ("x_transformers", XTransformersEncoderFusion),
    "perceiver-pytorch": ("perceiver_pytorch", PerceiverFusion),
}
"""Name -> the module that it needs, if any, and its class."""


def installed() -> tuple[dict[str, Callable[..., Fusion]], list[str]]:
    """The other fusions that can be built here, and the names of those that cannot."""
    here, missing = {}, []
    for name, (module, fusion) in OTHER_FUSIONS.items():
        if module is None or importlib.util.find_spec(module):
            here[name] = fusion
        else:
            missing.append(name)
    return here, missing


def sizes_of(config: Any) -> dict[str, int]:
    """The sizes that a fusion is built with, out of a `PerceptionConfig`."""
    return {name: getattr(config, name) for name in ("width", "latents", "layers", "heads", "state_dim")}
