"""Early, late and hierarchical fusion and the weighted sum: what each one's equation says, computed by hand."""

import numpy as np
import pytest
import torch

from kit.fusion_cases import NAMES, ROWS, SIZES, fusion_of, groups_of
from senseweave.perception import FUSIONS, TokenGroup

FIVE = ("audio", "camera", "grid", "touch", "voice")


def sigmoid(value):
    return 1.0 / (1.0 + np.exp(-value))


@pytest.mark.parametrize("absent", [(), ("camera",), ("audio", "camera"), NAMES])
def test_late_fusion_is_a_mean_of_states_whose_weights_are_shared_among_those_who_are_here(absent):
    fusion, groups = fusion_of("late"), groups_of(absent=absent)
    with torch.no_grad():
        fused = fusion(groups)
        states = {name: fusion.states[name](fusion.pools[name](groups[name])[0]).numpy() for name in NAMES}
    scores = dict(zip(NAMES, np.exp(fusion.scores.detach().numpy()), strict=True))
    here = [name for name in NAMES if name not in absent]
    expected = fusion.nothing.detach().numpy() if not here else 0.0
    for name in NAMES:
        weight = scores[name] / sum(scores[other] for other in here) if name in here else 0.0
        np.testing.assert_allclose(fused.gates[name].numpy(), weight, rtol=1e-12)
        expected = expected + weight * states[name]
    np.testing.assert_allclose(fused.embedding.numpy(), np.broadcast_to(expected, (ROWS, 5)), rtol=1e-10)


def test_in_late_fusion_a_modality_alone_is_its_own_state():
    fusion, groups = fusion_of("late"), groups_of(absent=("audio", "touch"))
    own = fusion.states["camera"](fusion.pools["camera"](groups["camera"])[0])
    torch.testing.assert_close(fusion(groups).embedding, own, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("absent", [(), ("camera",), NAMES])
def test_a_weighted_sum_adds_what_is_here_by_weights_that_do_not_read_it(absent):
    fusion, groups = fusion_of("sum"), groups_of(absent=absent)
    weights = dict(zip(NAMES, sigmoid(fusion.weights.detach().numpy()), strict=True))
    with torch.no_grad():
        fused = fusion(groups)
        total = fusion.base.expand(ROWS, -1)
        for name in NAMES:
            if name not in absent:
                total = total + weights[name] * fusion.contents[name](fusion.pools[name](groups[name])[0])
        expected = fusion.mix(total)
    torch.testing.assert_close(fused.embedding, expected, rtol=1e-10, atol=1e-10)
    for name in NAMES:
        np.testing.assert_allclose(fused.gates[name].numpy(), 0.0 if name in absent else weights[name], rtol=1e-12)


def tree_of(count):
    """How the hierarchical fusion merges so many modalities: letters in brackets."""
    fusion = fusion_of("hierarchical", FIVE[:count])
    merged = {}
    order = []
    groups = groups_of(FIVE[:count])
    with torch.no_grad():
        for name, leaf in fusion.leaves.items():
            merged[tuple(leaf(fusion.pools[name](groups[name])[0])[0].tolist())] = name[0]

    def record(_, inputs, output):
        one, other = (merged[tuple(part[0][0].tolist())] for part in inputs)
        merged[tuple(output[0][0].tolist())] = f"({one}{other})"
        order.append(f"({one}{other})")

    for merge in fusion.merges:
        merge.register_forward_hook(record)
    with torch.no_grad():
        fusion(groups)
    assert len(order) == len(fusion.merges) == count - 1
    return order[-1] if order else FIVE[0][0]


@pytest.mark.parametrize(
    ("count", "tree"), [(1, "a"), (2, "(ac)"), (3, "((ac)g)"), (4, "((ac)(gt))"), (5, "(((ac)(gt))v)")]
)
def test_hierarchical_fusion_merges_neighbours_until_one_is_left(count, tree):
    assert tree_of(count) == tree


@pytest.mark.parametrize("absent", [(), ("audio",), ("audio", "camera"), ("touch",), NAMES])
def test_a_merge_gets_zeros_and_a_flag_for_a_side_that_is_absent(absent):
    fusion, groups = fusion_of("hierarchical"), groups_of(absent=absent)
    with torch.no_grad():
        leaves = {
            name: fusion.leaves[name](fusion.pools[name](groups[name])[0])
            if name not in absent
            else torch.zeros(ROWS, 6)
            for name in NAMES
        }
        flag = {name: torch.full((ROWS, 1), float(name not in absent)) for name in NAMES}
        first = torch.cat([leaves["audio"], leaves["camera"], flag["audio"], flag["camera"]], dim=1).double()
        pair = torch.maximum(flag["audio"], flag["camera"])
        merged = fusion.merges[0].network(first) * pair
        second = torch.cat([merged, leaves["touch"], pair, flag["touch"]], dim=1).double()
        root = fusion.merges[1].network(second) * torch.maximum(pair, flag["touch"])
        expected = fusion.readout(root)
        torch.testing.assert_close(fusion(groups).embedding, expected, rtol=1e-10, atol=1e-10)


def test_in_early_fusion_only_the_mark_of_its_origin_belongs_to_a_modality():
    sizes = [sum(p.numel() for p in fusion_of("early", FIVE[:count]).parameters()) for count in range(1, 6)]
    assert np.diff(sizes).tolist() == [SIZES["width"]] * 4


def test_early_fusion_is_one_network_over_one_sequence_of_what_is_here():
    fusion, groups = fusion_of("early", layers=2), groups_of(absent=("camera",))
    marked = [
        fusion.joint.project(groups[name].tokens[:, :-1]) + fusion.joint.modality[i]  # the last token is padding
        for i, name in ((0, "audio"), (2, "touch"))
    ]
    tokens = torch.cat(marked, dim=1)
    for layer in fusion.shared:
        tokens = tokens + layer(tokens)
    vector, weights = fusion.pool(TokenGroup.of(fusion.norm(tokens)))
    fused = fusion(groups)
    torch.testing.assert_close(fused.embedding, fusion.readout(vector), rtol=1e-10, atol=1e-10)
    part = weights[..., :2]
    torch.testing.assert_close(
        fused.attention["audio"][..., :2], part / part.sum(-1, keepdim=True), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_late_fusion_alone_cannot_relate_one_sense_to_another(fusion):
    """The mixed difference of a sum of functions of one sense each is 0; no layer on top could find a product in it."""
    network, one, other = fusion_of(fusion), groups_of(), groups_of(seed=1)

    def embed(audio, camera):
        return network(one | {"audio": audio["audio"], "camera": camera["camera"]}).embedding

    mixed = embed(one, one) - embed(one, other) - embed(other, one) + embed(other, other)
    if fusion == "late":
        assert mixed.abs().max() < 1e-12
    else:
        assert (mixed.abs().amax(dim=1) > 1e-4).all()
