"""Fusions that attend: against torch's own layers with the same weights, and against loops in float64."""

import math

import numpy as np
import pytest
import torch

from kit.fusion_cases import NAMES, ROWS, fusion_of, groups_of
from senseweave.perception import TokenGroup
from senseweave.perception.fusion.parts.additive import AdditiveAttention
from senseweave.perception.fusion.parts.multi_head import MultiHeadAttention

WIDTH = 6


def tokens_of(count, seed=0):
    return torch.randn(ROWS, count, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_mask(count):
    mask = torch.rand(ROWS, count, generator=torch.Generator().manual_seed(1)) < 0.6
    mask[:, 0] = True
    return mask


def torch_attention(ours):
    """torch's layer with our weights."""
    theirs = torch.nn.MultiheadAttention(WIDTH, ours.heads, batch_first=True).double()
    with torch.no_grad():
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    return theirs


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_multi_head_attention_is_that_of_torch(heads):
    ours = MultiHeadAttention(WIDTH, heads).double()
    queries, context = tokens_of(2, 5), TokenGroup(tokens_of(7), some_mask(7))
    found = ours(queries, context).found
    expected, _ = torch_attention(ours)(queries, context.tokens, context.tokens, key_padding_mask=~context.mask)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_where_no_token_counts_attention_finds_exactly_nothing():
    ours = MultiHeadAttention(WIDTH, 2).double()
    tokens = tokens_of(3).requires_grad_()
    found = ours(tokens_of(2, 5), TokenGroup(tokens, torch.zeros(ROWS, 3, dtype=torch.bool))).found
    found.sum().backward()
    assert not found.any() and not tokens.grad.any()


def test_cross_attention_looks_as_a_layer_of_torch_does_at_all_tokens_in_a_row():
    fusion, groups = fusion_of("cross_attention"), groups_of(absent=("camera",))
    block, latents = fusion.looks[0], fusion.latents.expand(ROWS, -1, -1)
    joint = fusion.joint(groups)
    kept = fusion.token_norm(joint.tokens[:, joint.mask[0]])  # audio and touch, without padding
    assert kept.shape[1] == 2 + 4
    normed = block.norm(latents)
    found, weights = torch_attention(block.attention)(normed, kept, kept, average_attn_weights=False)
    looked = latents + found
    looked = looked + block.feed_forward(looked)
    mixed = fusion.mixes[0].among(TokenGroup.of(looked)).found
    expected = fusion.readout(fusion.norm(mixed).flatten(1))
    fused = fusion(groups)
    torch.testing.assert_close(fused.embedding, expected, rtol=1e-10, atol=1e-10)
    for name, part in (("audio", weights[..., :2]), ("touch", weights[..., 2:])):
        within = (part / part.sum(-1, keepdim=True)).mean(dim=1)
        torch.testing.assert_close(fused.attention[name][..., :-1], within, rtol=1e-10, atol=1e-10)
        assert not fused.attention[name][..., -1].any()
    assert not fused.attention["camera"].any()


def torch_encoder(blocks):
    """torch's stack of pre-norm encoder layers with the weights of our blocks."""
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, blocks[0].attention.heads, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
    )
    encoder = torch.nn.TransformerEncoder(layer, len(blocks), enable_nested_tensor=False).double()
    with torch.no_grad():
        for theirs, ours in zip(encoder.layers, blocks, strict=True):
            theirs.self_attn.load_state_dict(torch_attention(ours.attention).state_dict())
            theirs.norm1.load_state_dict(ours.norm.state_dict())
            for part, i in ((theirs.norm2, 0), (theirs.linear1, 1), (theirs.linear2, 3)):
                part.load_state_dict(ours.feed_forward[i].state_dict())
    return encoder


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("absent", [(), ("touch",), NAMES])
def test_the_transformer_is_an_encoder_of_torch_over_state_tokens_and_all_tokens(layers, absent):
    fusion, groups = fusion_of("transformer", layers=layers), groups_of(absent=absent)
    joint = fusion.joint(groups)
    states = fusion.state_tokens.expand(ROWS, -1, -1)
    ignored = torch.cat([torch.zeros(ROWS, states.shape[1], dtype=torch.bool), ~joint.mask], dim=1)
    encoded = torch_encoder(fusion.blocks)(torch.cat([states, joint.tokens], dim=1), src_key_padding_mask=ignored)
    expected = fusion.readout(fusion.norm(encoded[:, : states.shape[1]]).flatten(1))
    torch.testing.assert_close(fusion(groups).embedding, expected, rtol=1e-9, atol=1e-9)


def test_the_maps_of_the_transformer_are_the_weights_of_its_last_layer_within_each_modality():
    fusion, groups = fusion_of("transformer"), groups_of()
    joint = fusion.joint(groups)
    states = fusion.state_tokens.expand(ROWS, -1, -1)
    always = torch.ones(ROWS, states.shape[1], dtype=torch.bool)
    sequence = TokenGroup(torch.cat([states, joint.tokens], dim=1), torch.cat([always, joint.mask], dim=1))
    mixed = fusion.blocks[0].among(sequence).found
    normed = fusion.blocks[1].norm(mixed)
    _, weights = torch_attention(fusion.blocks[1].attention)(
        normed[:, :2], normed, normed, key_padding_mask=~sequence.mask, average_attn_weights=False
    )
    at = states.shape[1]
    for name, group in groups.items():
        part = weights[..., at : at + group.mask.shape[1]]
        within = (part / part.sum(-1, keepdim=True)).mean(dim=1)
        torch.testing.assert_close(fusion(groups).attention[name], within, rtol=1e-9, atol=1e-9)
        at += group.mask.shape[1]


@pytest.mark.parametrize("fusion", ["early", "cross_attention", "transformer"])
def test_a_joint_sequence_with_a_modality_absent_is_that_of_a_network_without_it(fusion):
    whole, rest = fusion_of(fusion), fusion_of(fusion, ("audio", "touch"), seed=1)
    weights = whole.state_dict()
    weights["joint.modality"] = weights["joint.modality"][[0, 2]]
    rest.load_state_dict(weights)
    groups = groups_of(absent=("camera",))
    expected = rest({name: groups[name] for name in ("audio", "touch")})
    found = whole(groups)
    torch.testing.assert_close(found.embedding, expected.embedding, rtol=1e-10, atol=1e-10)
    for name in ("audio", "touch"):
        torch.testing.assert_close(found.attention[name], expected.attention[name], rtol=1e-10, atol=1e-10)


def test_additive_attention_is_its_equation():
    attention = AdditiveAttention(WIDTH, 3, 5, 2).double()
    group = TokenGroup(tokens_of(7), some_mask(7))
    question = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        seen, weights = attention(group, question)
    w, u, v = (part.weight.detach().numpy() for part in (attention.token, attention.question, attention.score))
    bias = attention.token.bias.detach().numpy()
    for row in range(ROWS):
        kept = [n for n in range(7) if group.mask[row, n]]
        glimpses = []
        for glimpse in range(2):
            scores = {}
            for n in kept:
                judged = np.tanh(w @ group.tokens[row, n].numpy() + bias + u @ question[row].numpy())
                scores[n] = math.exp(v[glimpse] @ judged)
            shares = np.array([scores.get(n, 0.0) / sum(scores.values()) for n in range(7)])
            np.testing.assert_allclose(weights[row, glimpse].numpy(), shares, rtol=1e-10)
            glimpses.append(sum(shares[n] * group.tokens[row, n].numpy() for n in kept))
        expected = attention.combine.weight.detach().numpy() @ np.concatenate(glimpses)
        expected += attention.combine.bias.detach().numpy()
        np.testing.assert_allclose(seen[row].numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("absent", [(), ("touch",), NAMES])
def test_a_question_goes_from_hop_to_hop_and_takes_in_what_is_here(absent):
    fusion, groups = fusion_of("additive_attention", layers=2), groups_of(absent=absent)
    here = [name for name in NAMES if name not in absent]
    asked = fusion.base.expand(ROWS, -1)
    for name in here:
        mean = groups[name].tokens[:, :-1].mean(dim=1)  # the last one is padding
        asked = asked + fusion.impressions[name](mean)
    for hop in fusion.hops:
        question = hop.norm(asked)
        asked = asked + sum(hop.looks[name](groups[name], question)[0] for name in here)
    torch.testing.assert_close(fusion(groups).embedding, fusion.readout(asked), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_rounds_of_co_attention_are_applications_of_one_round(layers):
    fusion, groups = fusion_of("co_attention", layers=layers), groups_of(absent=("camera",))
    findings = {name: torch.zeros(ROWS, WIDTH, dtype=torch.float64) for name in NAMES}
    for _ in range(layers + 1):
        findings, maps = fusion.round(findings, groups)
    flags = {name: groups[name].available[:, None].double() for name in NAMES}
    beside = torch.cat([part for name in NAMES for part in (findings[name], flags[name])], dim=1)
    fused = fusion(groups)
    assert torch.equal(fused.embedding, fusion.readout(beside))
    assert all(torch.equal(fused.attention[name], maps[name]) for name in NAMES)
    assert not findings["camera"].any() and findings["audio"].all()


def test_rounds_of_co_attention_share_their_weights():
    few, many = fusion_of("co_attention", layers=1), fusion_of("co_attention", layers=5)
    assert {name: p.shape for name, p in few.named_parameters()} == {n: p.shape for n, p in many.named_parameters()}
    assert few.rounds == 2 and many.rounds == 6
    assert not torch.allclose(few(groups_of()).embedding, many(groups_of()).embedding)


def test_from_the_second_round_on_what_one_modality_found_guides_where_another_looks():
    fusion = fusion_of("co_attention")
    one = groups_of()
    other = one | {"touch": groups_of(seed=1)["touch"]}
    nothing = {name: torch.zeros(ROWS, WIDTH, dtype=torch.float64) for name in NAMES}
    (first, maps), (first_other, maps_other) = fusion.round(nothing, one), fusion.round(nothing, other)
    assert torch.equal(maps["audio"], maps_other["audio"]) and torch.equal(first["audio"], first_other["audio"])
    _, later = fusion.round(first, one)
    _, later_other = fusion.round(first_other, other)
    assert ((later["audio"] - later_other["audio"]).abs().amax(dim=(1, 2)) > 1e-4).all()


def test_the_guide_is_the_mean_of_what_the_others_who_are_here_say():
    fusion, groups = fusion_of("co_attention"), groups_of(absent=("camera",))
    guides = {}
    for name, partner in fusion.partners.items():
        partner.register_forward_pre_hook(lambda _, inputs, name=name: guides.update({name: inputs[1]}))
    generator = torch.Generator().manual_seed(4)
    findings = {name: torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64) for name in NAMES}
    fusion.round(findings, groups)
    tell = {name: partner.tell(findings[name]) for name, partner in fusion.partners.items()}
    torch.testing.assert_close(guides["audio"], tell["touch"], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(guides["touch"], tell["audio"], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(guides["camera"], (tell["audio"] + tell["touch"]) / 2, rtol=1e-10, atol=1e-10)
