"""Fusions by name. A new one is a file beside these and a line here; the contract tests pick it up from the dict."""

from .base import Fused, Fusion
from .concat import ConcatFusion
from .gated_cross_attention import GatedCrossAttentionFusion
from .gated_sum import GatedSumFusion

FUSIONS: dict[str, type[Fusion]] = {
    "concat": ConcatFusion,
    "gated_cross_attention": GatedCrossAttentionFusion,
    "gated_sum": GatedSumFusion,
}
"""Name -> class: what `PerceptionConfig(fusion=...)` and `--fusion` choose from."""

__all__ = ["FUSIONS", "Fused", "Fusion"]
