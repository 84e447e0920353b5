"""The tests of the absence contract themselves (A6): gates are open, content matters, and faulty fusions are caught."""

import pytest
import torch
from torch import nn

from kit.absence_cases import KINDS, ROWS, Case, Spec, perception_of, randomise, readings, token_faults, violations
from senseweave.perception import FUSIONS, Fusion, Perception, PerceptionConfig
from senseweave.perception.encoders import alone
from senseweave.perception.fusion import Fused
from senseweave.perception.fusion.base import availability
from senseweave.perception.observation.absence import clean
from senseweave.perception.observation.layout import READING
from senseweave.perception.spec import PRESENT

ALL = tuple(KINDS)
every_fusion = pytest.mark.parametrize("fusion", sorted(FUSIONS))


@every_fusion
def test_no_parameter_is_zero_and_no_gate_is_shut_in_these_tests(fusion):
    for weights in range(3):
        perception = perception_of(fusion, ALL, weights)
        for name, parameter in perception.named_parameters():
            assert (parameter != 0).all(), name
        gates = perception(readings(ALL, weights)).gates
        assert all((gate > 0.01).all() for gate in gates.values())


@every_fusion
@pytest.mark.parametrize("name", ALL)
def test_each_sense_matters_where_it_is_here(fusion, name):
    perception = perception_of(fusion, ALL, 1)
    obs = readings(ALL, 1, as_floats=True)
    state = perception(obs)
    other = perception(obs | {name: readings(ALL, 2, as_floats=True)[name]})
    mask = torch.tensor([[key != name for key in ALL]]).expand(ROWS, -1)
    removed = perception(obs | {PRESENT: mask})
    for changed in (other, removed):
        assert ((changed.embedding - state.embedding).abs().amax(dim=1) > 1e-5).all()


@every_fusion
@pytest.mark.parametrize("name", ["audio", "camera", "vector"])
def test_content_that_is_here_has_a_gradient(fusion, name):
    perception = perception_of(fusion, ALL, 1)
    obs = readings(ALL, 1, as_floats=True)
    obs[name].requires_grad_()
    perception(obs).embedding.square().sum().backward()
    assert (obs[name].grad.flatten(1).abs().amax(dim=1) > 0).all()


class SumFusion(Fusion):
    """A fusion that obeys the contract; the faulty ones below differ in one line each."""

    def __init__(self, names, *, width, latents, layers, heads, state_dim):
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.out = nn.Linear(width, state_dim)

    def vector(self, group):
        weights = group.mask.float() / group.mask.sum(1, keepdim=True).clamp(min=1)
        return (weights[..., None] * group.tokens.float()).sum(1)

    def mixed(self, total):
        return self.out(total)

    def gates(self, groups):
        return availability(groups)

    def forward(self, groups):
        total = torch.stack([self.vector(group) for group in groups.values()]).sum(0)
        return Fused(self.mixed(total), self.gates(groups), {})


class LeaksAbsentTokens(SumFusion):
    def vector(self, group):
        return super().vector(group) + 1e-3 * group.tokens.float().mean(1)


class DividesByNothing(SumFusion):
    def vector(self, group):
        weights = group.mask.float() / group.mask.sum(1, keepdim=True)
        return (weights[..., None] * group.tokens.float()).sum(1)


class SoftmaxOfNothing(SumFusion):
    """The value is repaired with `where`, the gradient is not."""

    def vector(self, group):
        scores = group.tokens.float().mean(-1).masked_fill(~group.mask, -torch.inf).softmax(-1)
        pooled = (scores[..., None] * group.tokens.float()).sum(1)
        return torch.where(group.available[:, None], pooled, 0.0)


class MixesRows(SumFusion):
    def mixed(self, total):
        return self.out(total - 1e-3 * total.mean(0))


class KeepsGatesOpen(SumFusion):
    def gates(self, groups):
        return {name: torch.ones_like(gate) for name, gate in availability(groups).items()}


class IgnoresEverything(SumFusion):
    def mixed(self, total):
        return self.out(total * 0.0)


def found_by(fusion: type[Fusion], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(FUSIONS, "tried", fusion)
    senses = ("audio", "camera", "vector")
    perception = Perception(
        Spec(**{name: KINDS[name] for name in senses}), PerceptionConfig(fusion="tried", width=16, heads=2, state_dim=8)
    )
    randomise(perception)
    case = Case(senses, 0, 7, 0b001_000_101_111, (1e30, torch.nan, torch.inf), False, True, 0, 1)
    told = violations(case, perception, perception, perception.explain)
    case = Case(senses, 0, 7, 0b011_010_111_010, (0.0, 1e30, -1e30), True, False, 0b001, 3)
    told += violations(case, perception, perception, perception.explain)
    return "; ".join(
        told + [fault for seed in range(4) for fault in token_faults(perception.fusion, senses, seed, 1.0)]
    )


def test_a_fusion_that_obeys_passes(monkeypatch):
    assert found_by(SumFusion, monkeypatch) == ""


@pytest.mark.parametrize(
    ("fusion", "law"),
    [
        (LeaksAbsentTokens, "tokens that do not count matter"),
        (DividesByNothing, "A3: the embedding is not finite"),
        (SoftmaxOfNothing, "A3: the gradient"),
        (MixesRows, "A1, A4 or A5"),
        (KeepsGatesOpen, "the gate of"),
        (IgnoresEverything, "A6"),
    ],
)
def test_a_faulty_fusion_is_caught(fusion, law, monkeypatch):
    assert law in found_by(fusion, monkeypatch)


def leaky(layout, obs):
    """Lets absent readings through to the encoders: content then matters although its tokens are masked."""
    cleaned = clean(layout, obs)
    return cleaned._replace(
        parts={name: {READING: obs.get(name, parts[READING])} for name, parts in cleaned.parts.items()}
    )


@every_fusion
def test_readings_that_are_not_replaced_are_caught(fusion, monkeypatch):
    monkeypatch.setattr(alone, "clean", leaky)
    senses = ("audio", "camera", "vector")
    perception = Perception(
        Spec(**{name: KINDS[name] for name in senses}), PerceptionConfig(fusion=fusion, width=16, heads=2, state_dim=8)
    )
    case = Case(senses, 0, 7, 0b001_000_101_111, (1e30, torch.nan, torch.nan), True, True, 0, 1)
    assert violations(case, perception, perception) != []
