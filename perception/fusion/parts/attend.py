"""Scaled dot-product attention by torch's own kernels, which can be differentiated any number of times on a CPU.

The fused kernels know one derivative alone. `attend` gives the same numbers and the same first derivative, bit by bit,
and works a second one out from the plain products, for trust regions, gradient penalties and the like. Other devices,
compiled graphs and exports get torch's kernel as it is.

b batch, h heads, q queries, n tokens, e width of one head
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def attend(
    query: Float[Tensor, "b h q e"],
    key: Float[Tensor, "b h n e"],
    value: Float[Tensor, "b h n e"],
    bias: Float[Tensor, "b 1 1 n"] | None = None,
) -> Float[Tensor, "b h q e"]:
    """softmax(query key^T / sqrt(e) + bias) value."""
    if torch.compiler.is_compiling() or query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    if _is_transformed():
        return _by_products(query, key, value, bias)
    if torch.is_grad_enabled() and any(part.requires_grad for part in (query, key, value)):
        return _Attention.apply(query, key, value, bias)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def _by_products(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    scores = torch.matmul(query / math.sqrt(query.shape[-1]), key.transpose(-1, -2))
    return torch.matmul((scores if bias is None else scores + bias).softmax(dim=-1).to(value.dtype), value)


def _is_transformed() -> bool:
    """Whether torch.func differentiates or vectorises here, for which the kernels and `_Attention` have no rule."""
    is_active: Any = getattr(torch._C, "_are_functorch_transforms_active", None)
    return is_active is not None and is_active()


class _Attention(torch.autograd.Function):
    """The kernel with a graph of its own, which gives the first derivative as if the kernel stood there itself."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        given = (query, key, value)
        with torch.enable_grad():
            inner = [
                part.detach().requires_grad_(needed)
                for part, needed in zip(given, ctx.needs_input_grad[:3], strict=True)
            ]
            found = functional.scaled_dot_product_attention(*inner, attn_mask=bias)
        ctx.save_for_backward(*given)
        ctx.bias, ctx.inner, ctx.found = bias, inner, found
        return found.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        saved = ctx.saved_tensors  # raises where a graph is gone that should have been retained
        is_wanted = [part.requires_grad for part in ctx.inner]
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            query, key, value = saved
            parts, found, how = saved, _by_products(query, key, value, ctx.bias), {"create_graph": True}
        else:
            parts, found, how = ctx.inner, ctx.found, {"retain_graph": True}
        asked = [part for part, wanted in zip(parts, is_wanted, strict=True) if wanted]
        gradients = iter(torch.autograd.grad(found, asked, gradient.to(found.dtype), **how))
        return *(next(gradients) if wanted else None for wanted in is_wanted), None
