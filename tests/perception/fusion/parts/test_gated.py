"""Attention against loops written from the equations, in float64 numpy; masks that leave nothing."""

import math

import numpy as np
import pytest
import torch

from kit.absence_cases import KINDS, perception_of, readings
from senseweave.perception import TokenGroup
from senseweave.perception.fusion.parts.gated import (
    CrossAttentionHeads,
    GatedCrossAttention,
    SelfAttention,
    masked_mean,
    masked_softmax,
)
from senseweave.perception.spec import PRESENT

B, L, N, D, H = 5, 3, 6, 8, 2
E = D // H


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    module = module.double()
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(numbers(*parameter.shape, seed=seed + i) * 0.7)
    return module


def masks() -> torch.Tensor:
    """All tokens, some, one, none, and all but the first."""
    return torch.tensor([[1] * 6, [1, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0], [0] * 6, [0] + [1] * 5], dtype=torch.bool)


def softmax_over(scores: list[float]) -> list[float]:
    largest = max(scores)
    powers = [math.exp(score - largest) for score in scores]
    return [power / sum(powers) for power in powers]


def heads_in_a_loop(heads, query, latents, tokens, mask, mean):
    """One latent, one head, one token at a time: projected keys and values, scaled dot products, gate, sum."""
    key, value = heads.key.detach().numpy(), heads.value.detach().numpy()
    gate_weight, gate_bias = heads.gate_query.weight.detach().numpy(), heads.gate_query.bias.detach().numpy()
    gate_value = heads.gate_value.detach().numpy()
    contribution, gates, maps = np.zeros((B, L, H, E)), np.zeros((B, L, H)), np.zeros((B, H, L, N))
    for b in range(B):
        counted = [n for n in range(N) if mask[b, n]]
        if not counted:
            continue
        for latent in range(L):
            for h in range(H):
                keys = [[sum(key[h, e, d] * tokens[b, n, d] for d in range(D)) for e in range(E)] for n in counted]
                scores = [sum(query[b, latent, h, e] * k[e] for e in range(E)) / math.sqrt(E) for k in keys]
                weights = softmax_over(scores)
                taken = np.zeros(E)
                for weight, n in zip(weights, counted, strict=True):
                    maps[b, h, latent, n] = weight
                    difference = [tokens[b, n, d] - mean[b, d] for d in range(D)]
                    taken += weight * np.array(
                        [sum(difference[d] * value[h, d, e] for d in range(D)) for e in range(E)]
                    )
                pre = sum(gate_weight[h, d] * latents[b, latent, d] for d in range(D)) + gate_bias[h]
                pre += sum(taken[e] * gate_value[h, e] for e in range(E))
                gates[b, latent, h] = 1 / (1 + math.exp(-pre))
                contribution[b, latent, h] = gates[b, latent, h] * taken
    return contribution, gates, maps


def test_heads_equal_a_loop_over_latents_heads_and_tokens():
    heads = randomised(CrossAttentionHeads(D, H))
    query, latents, tokens = numbers(B, L, H, E, seed=1), numbers(B, L, D, seed=2), numbers(B, N, D, seed=3)
    group = TokenGroup(tokens, masks())
    mean = masked_mean(group)
    with torch.no_grad():
        got = heads(query, latents, group, mean)
    expected = heads_in_a_loop(heads, query.numpy(), latents.numpy(), tokens.numpy(), masks().numpy(), mean.numpy())
    for tensor, array in zip(got, expected, strict=True):
        np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-10, atol=1e-12)
    assert (got[1][3] == 0).all() and (got[2][3] == 0).all() and (got[0][3] == 0).all()


def heads_by_einsum(heads, query, latents, group, mean):
    """The equations in the class's docstring, as they stand there; only for groups of which some token counts."""
    scores = torch.einsum("blhe,hed,bnd->bhln", query, heads.key, group.tokens) / math.sqrt(E)
    weights = scores.masked_fill(~group.mask[:, None, None], -math.inf).softmax(dim=-1)
    pooled = torch.einsum("bhln,bnd->bhld", weights, group.tokens) - mean[:, None, None]
    value = torch.einsum("bhld,hde->blhe", pooled, heads.value)
    gates = torch.sigmoid(heads.gate_query(latents) + torch.einsum("blhe,he->blh", value, heads.gate_value))
    return gates[..., None] * value, gates, weights


def test_heads_equal_the_einsum_form_and_so_do_their_gradients():
    heads = randomised(CrossAttentionHeads(D, H))
    inputs = [numbers(B, L, H, E, seed=1), numbers(B, L, D, seed=2), numbers(B, N, D, seed=3)]
    mask = masks()[masks().any(dim=1)]
    query, latents, tokens = (part[: len(mask)].requires_grad_() for part in inputs)
    group = TokenGroup(tokens, mask)
    goal = numbers(len(mask), L, H, E, seed=4)
    results = []
    for function in (heads, lambda *given: heads_by_einsum(heads, *given)):
        contribution, gates, weights = function(query, latents, group, masked_mean(group))
        gradients = torch.autograd.grad((contribution * goal).sum(), [query, latents, tokens, *heads.parameters()])
        results.append((contribution, gates, weights.detach(), *gradients))
    for own, expected in zip(*results, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-10, atol=1e-12)
        assert own.abs().sum() > 0


def test_the_mean_of_tokens_leaves_out_those_that_do_not_count():
    tokens = numbers(B, N, D)
    got = masked_mean(TokenGroup(tokens, masks())).numpy()
    for b in range(B):
        counted = [tokens[b, n].numpy() for n in range(N) if masks()[b, n]]
        np.testing.assert_allclose(got[b], np.mean(counted, axis=0) if counted else np.zeros(D), atol=1e-14)


def test_a_masked_softmax_sums_to_1_over_what_counts():
    scores = numbers(B, L, N) * 50
    weights = masked_softmax(scores, masks())
    for b in range(B):
        counted = [n for n in range(N) if masks()[b, n]]
        for latent in range(L):
            if counted:
                expected = np.zeros(N)
                expected[counted] = softmax_over([float(scores[b, latent, n]) for n in counted])
                np.testing.assert_allclose(weights[b, latent].numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_softmax_over_nothing_has_neither_nan_values_nor_nan_gradients(dtype):
    scores = torch.full((2, 3, 4), 30000.0, dtype=dtype, requires_grad=True)
    mask = torch.tensor([[False] * 4, [True, False, False, True]])
    weights = masked_softmax(scores, mask)
    torch.where(mask[:, None], weights, 0.0).float().square().sum().backward()
    assert torch.isfinite(weights).all() and torch.isfinite(scores.grad).all()
    assert (weights[1, :, 1:3] == 0).all() and (scores.grad[1, :, 1:3] == 0).all()


def test_self_attention_equals_a_loop():
    attention = randomised(SelfAttention(D, H))
    latents = numbers(B, L, D, seed=4)
    with torch.no_grad():
        got = attention(latents).numpy()
        projected = attention.query_key_value(attention.norm(latents)).numpy().reshape(B, L, 3, H, E)
        weight, bias = attention.out.weight.numpy(), attention.out.bias.numpy()
    for b in range(B):
        for latent in range(L):
            taken = []
            for h in range(H):
                query, keys, values = projected[b, latent, 0, h], projected[b, :, 1, h], projected[b, :, 2, h]
                weights = softmax_over([float(query @ key) / math.sqrt(E) for key in keys])
                taken.append(sum(w * v for w, v in zip(weights, values, strict=True)))
            np.testing.assert_allclose(got[b, latent], weight @ np.concatenate(taken) + bias, atol=1e-12)


def test_a_block_into_which_nothing_comes_changes_latents_by_their_self_attention_alone():
    block = randomised(GatedCrossAttention(["one", "other"], D, H))
    latents = numbers(B, L, D, seed=5)
    absent = torch.zeros(B, N, dtype=torch.bool)
    groups = {name: TokenGroup(numbers(B, N, D, seed=6), absent) for name in ("one", "other")}
    got, gates, maps = block(latents, groups, {name: torch.zeros(B, D).double() for name in groups})
    torch.testing.assert_close(got, latents + block.mix(latents), rtol=0, atol=0)
    assert not any(gate.any() for gate in gates.values()) and not any(weights.any() for weights in maps.values())


@pytest.mark.parametrize("layers", [1, 2])
def test_explained_attention_is_the_mean_over_heads_of_the_last_layer_in_a_loop(layers):
    senses = tuple(KINDS)
    perception = perception_of("gated_cross_attention", senses, 3, layers)
    obs = readings(senses, 3)
    here = torch.rand(len(obs["vector"]), len(senses), generator=torch.Generator().manual_seed(1)) < 0.7
    caught = {}
    handles = [
        heads.register_forward_hook(lambda module, inputs, output, name=name: caught.update({name: (module, inputs)}))
        for name, heads in perception.fusion.blocks[-1].modalities.items()
    ]
    with torch.no_grad():
        explained = perception.explain(obs | {PRESENT: here})
    for handle in handles:
        handle.remove()
    for i, name in enumerate(senses):
        module, (query, _, group, *_) = caught[name]
        key = module.key.detach().double().numpy()
        query, tokens, mask = query.double().numpy(), group.tokens.double().numpy(), group.mask.numpy()
        b, latents, heads, e = query.shape
        expected = np.zeros((b, latents, tokens.shape[1]))
        for row in range(b):
            counted = np.flatnonzero(mask[row])
            for latent in range(latents if here[row, i] else 0):
                for h in range(heads):
                    scores = [float(query[row, latent, h] @ (key[h] @ tokens[row, n])) / math.sqrt(e) for n in counted]
                    expected[row, latent, counted] += np.array(softmax_over(scores)) / heads
        np.testing.assert_allclose(explained.attention[name].numpy(), expected, atol=1e-5)
