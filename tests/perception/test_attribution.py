"""Integrated gradients obey their axioms: completeness, nothing for what plays no part, and values known by hand."""

import pytest
import torch

from senseweave.perception import FUSIONS, Camera, Instruction, Perception, PerceptionConfig, Spec, TokenGroup, Vector
from senseweave.perception.attribution import integrated_gradients, usual_tokens
from senseweave.perception.errors import ConfigError

SPEC = Spec(camera=Camera(16, 16), instruction=Instruction(5, 16), touch=Vector(3))


def group(*rows, width=1):
    return TokenGroup.of(torch.tensor(rows, dtype=torch.float32).reshape(len(rows), -1, width))


def one(groups, name):
    return groups[name].tokens[:, 0, 0]


def test_a_linear_function_gives_each_token_its_coefficient_times_its_value():
    groups = {"a": group([2.0, 5.0], [1.0, -1.0]), "b": group([4.0], [3.0])}

    def function(groups):
        return 3 * groups["a"].tokens[:, 0, 0] - groups["a"].tokens[:, 1, 0] + 0.5 * one(groups, "b") + 7

    found = integrated_gradients(function, groups)
    torch.testing.assert_close(found.tokens["a"], torch.tensor([[6.0, -5.0], [3.0, 1.0]]))
    torch.testing.assert_close(found.tokens["b"], torch.tensor([[2.0], [1.5]]))
    torch.testing.assert_close(found.baseline, torch.tensor([7.0, 7.0]))
    torch.testing.assert_close(found.absolute["a"], torch.tensor([11.0, 4.0]))
    torch.testing.assert_close(found.signed["a"], torch.tensor([1.0, 4.0]))


def test_a_product_is_shared_half_and_half_and_a_power_by_its_exponent():
    """On the straight way from 0, x y gives each x y / 2; x y^2 gives x a third and y two thirds."""
    groups = {"x": group([3.0]), "y": group([2.0])}
    found = integrated_gradients(lambda g: one(g, "x") * one(g, "y"), groups)
    assert found.signed["x"].item() == pytest.approx(3.0) and found.signed["y"].item() == pytest.approx(3.0)
    found = integrated_gradients(lambda g: one(g, "x") * one(g, "y") ** 2, groups)
    assert found.signed["x"].item() == pytest.approx(4.0) and found.signed["y"].item() == pytest.approx(8.0)


def test_the_baseline_is_where_the_way_begins():
    found = integrated_gradients(lambda g: one(g, "x") ** 2, {"x": group([3.0])}, {"x": torch.tensor([[1.0]])})
    assert found.baseline.item() == 1.0 and found.signed["x"].item() == pytest.approx(8.0)


def test_more_places_are_taken_until_completeness_holds_and_the_gap_is_told_where_it_does_not():
    groups = {"x": group([1.0])}
    calls = []

    def steep(groups):
        calls.append(1)
        return torch.sigmoid(400 * (one(groups, "x") - 0.37))

    rough = integrated_gradients(steep, groups, points=4, most_points=4)
    few = len(calls)
    assert rough.gap.abs().item() > 0.05
    fine = integrated_gradients(steep, groups, points=4, most_points=512)
    assert fine.gap.abs().item() <= 0.01 and len(calls) - few > 100


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_all_that_is_attributed_sums_to_what_the_function_gained(fusion):
    torch.manual_seed(0)
    perception = Perception(SPEC, PerceptionConfig(fusion=fusion, width=16, latents=2, heads=2, state_dim=8))
    obs = {
        "camera": torch.randint(256, (6, 16, 16, 3), dtype=torch.uint8),
        "instruction": torch.tensor([[3, 4, 5, 0, 0]] * 6, dtype=torch.int32),
        "touch": torch.randn(6, 3),
        "present": torch.tensor([[1, 1, 1]] * 5 + [[0, 1, 1]]),
    }
    groups = perception(obs, with_tokens=True).tokens

    def first_number(groups):
        return 10.0 * perception.fusion(groups).embedding[:, 0]  # much more than what may be amiss

    found = integrated_gradients(first_number, groups, usual_tokens(groups))
    gained = found.value - found.baseline
    assert gained.abs().max() > 0.2, "nothing would be shared out"
    torch.testing.assert_close(torch.stack(list(found.signed.values())).sum(dim=0), gained, atol=0.01, rtol=0)
    torch.testing.assert_close(found.value, 10.0 * perception(obs).embedding[:, 0])
    assert (found.tokens["camera"][5] == 0).all(), "an absent sense contributes exactly nothing"
    assert (found.tokens["instruction"][:, 3:] == 0).all(), "nor does padding"
    assert (found.tokens["camera"][:5].abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None for parameter in perception.parameters())


def test_the_usual_token_is_the_mean_of_those_that_count():
    tokens = torch.arange(12.0).reshape(3, 2, 2)
    mask = torch.tensor([[True, False], [True, False], [False, False]])
    usual = usual_tokens({"a": TokenGroup(tokens, mask)})["a"]
    assert torch.equal(usual, torch.tensor([[2.0, 3.0], [0.0, 0.0]]))


@pytest.mark.parametrize(("groups", "points"), [({}, 8), ({"a": group([1.0])}, 0)])
def test_nothing_to_attribute_to_is_one_sentence(groups, points):
    with pytest.raises(ConfigError, match="need a modality and at least 1 point"):
        integrated_gradients(lambda groups: torch.zeros(1), groups, points=points)
