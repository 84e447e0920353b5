"""Fusions by name. A new one is a file beside these and a line here; the contract tests pick it up from the table."""

from typing import TYPE_CHECKING

from ..registry import Registry, lazy_names

if TYPE_CHECKING:
    from .base import Fused as Fused
    from .base import Fusion as Fusion
    from .base import SizedFusion as SizedFusion
    from .base import Sizes as Sizes

FUSIONS: "Registry[type[Fusion]]" = Registry(
    "fusion",
    {
        "additive_attention": ".additive_attention:AdditiveAttentionFusion",
        "co_attention": ".co_attention:CoAttentionFusion",
        "concat": ".concat:ConcatFusion",
        "cross_attention": ".cross_attention:CrossAttentionFusion",
        "early": ".early:EarlyFusion",
        "gated_cross_attention": ".gated_cross_attention:GatedCrossAttentionFusion",
        "gated_sum": ".gated_sum:GatedSumFusion",
        "hierarchical": ".hierarchical:HierarchicalFusion",
        "late": ".late:LateFusion",
        "low_rank_tensor": ".low_rank_tensor:LowRankTensorFusion",
        "sum": ".sum:SumFusion",
        "tensor": ".tensor:TensorFusion",
        "transformer": ".transformer:TransformerFusion",
    },
    __package__,
)
"""What `PerceptionConfig(fusion=...)` and `--fusion` choose from."""

_HOMES = {"base": ("Fused", "Fusion", "SizedFusion", "Sizes")}
__getattr__, __dir__, _names = lazy_names(__name__, _HOMES)
__all__ = ["FUSIONS", "Fused", "Fusion", "SizedFusion", "Sizes"]
