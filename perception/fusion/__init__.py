"""Fusions by name. A new one is a file beside these and a line here; the contract tests pick it up from the dict."""

from .additive_attention import AdditiveAttentionFusion
from .base import Fused, Fusion, SizedFusion, Sizes
from .co_attention import CoAttentionFusion
from .concat import ConcatFusion
from .cross_attention import CrossAttentionFusion
from .early import EarlyFusion
from .gated_cross_attention import GatedCrossAttentionFusion
from .gated_sum import GatedSumFusion
from .hierarchical import HierarchicalFusion
from .late import LateFusion
from .low_rank_tensor import LowRankTensorFusion
from .sum import SumFusion
from .tensor import TensorFusion
from .transformer import TransformerFusion

FUSIONS: dict[str, type[Fusion]] = {
    "additive_attention": AdditiveAttentionFusion,
    "co_attention": CoAttentionFusion,
    "concat": ConcatFusion,
    "cross_attention": CrossAttentionFusion,
    "early": EarlyFusion,
    "gated_cross_attention": GatedCrossAttentionFusion,
    "gated_sum": GatedSumFusion,
    "hierarchical": HierarchicalFusion,
    "late": LateFusion,
    "low_rank_tensor": LowRankTensorFusion,
    "sum": SumFusion,
    "tensor": TensorFusion,
    "transformer": TransformerFusion,
}
"""Name -> class: what `PerceptionConfig(fusion=...)` and `--fusion` choose from."""

__all__ = ["FUSIONS", "Fused", "Fusion", "SizedFusion", "Sizes"]
