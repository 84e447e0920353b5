"""Fusions: gradients against finite differences in float64, and what each fusion's own equation says."""

import pytest
import torch

from kit.absence_cases import ROWS, perception_of, readings
from senseweave.perception import FUSIONS, Microphone, Perception, PerceptionConfig, Spec, TokenGroup, Vector
from senseweave.perception.errors import UnknownNameError
from senseweave.perception.spec import PRESENT

every_fusion = pytest.mark.parametrize("fusion", sorted(FUSIONS))


def tiny(fusion: str) -> Perception:
    """In float64; the sound is so loud and the vector so small that no clamp and no kink is near."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = PerceptionConfig(fusion=fusion, width=4, latents=2, layers=1, heads=1, state_dim=2)
        perception = Perception(Spec(audio=Microphone(2, 24, 1000), vector=Vector(2)), config).double()
        with torch.no_grad():
            for parameter in perception.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return perception


@every_fusion
@pytest.mark.parametrize("absent", ["nothing", "audio", "vector"])
def test_gradients_for_content_equal_finite_differences(fusion, absent):
    perception = tiny(fusion)
    generator = torch.Generator().manual_seed(0)
    audio = (torch.rand(2, 2, 24, generator=generator, dtype=torch.float64) - 0.5).requires_grad_()
    vector = torch.randn(2, 2, generator=generator, dtype=torch.float64).requires_grad_()
    mask = torch.tensor([[1, 1], [absent != "audio", absent != "vector"]])

    def embed(audio, vector):
        return perception({"audio": audio, "vector": vector, PRESENT: mask}).embedding

    assert torch.autograd.gradcheck(embed, (audio, vector), eps=1e-7, atol=1e-5, fast_mode=True)


@every_fusion
def test_gradients_for_parameters_equal_finite_differences(fusion):
    perception = tiny(fusion)
    generator = torch.Generator().manual_seed(0)
    obs = {
        "audio": torch.rand(3, 2, 24, generator=generator, dtype=torch.float64) - 0.5,
        "vector": torch.randn(3, 2, generator=generator, dtype=torch.float64),
        PRESENT: torch.tensor([[1, 1], [0, 1], [0, 0]]),
    }
    parameters = dict(perception.named_parameters())

    def embed(*values):
        return torch.func.functional_call(perception, dict(zip(parameters, values, strict=True)), (obs,)).embedding

    assert torch.autograd.gradcheck(embed, tuple(parameters.values()), eps=1e-7, atol=1e-5, fast_mode=True)


@every_fusion
def test_a_fusion_does_not_care_for_the_order_of_tokens(fusion):
    network = perception_of(fusion, ("audio", "camera", "vector"), 1).fusion
    generator = torch.Generator().manual_seed(3)
    groups = {name: TokenGroup.of(torch.randn(ROWS, 5, 16, generator=generator)) for name in network.names}
    turned = {name: TokenGroup.of(group.tokens.flip(1)) for name, group in groups.items()}
    torch.testing.assert_close(network(groups).embedding, network(turned).embedding, rtol=1e-4, atol=1e-4)


@every_fusion
def test_gates_are_given_for_every_sense_by_name(fusion):
    senses = ("camera", "grid", "instruction")
    state = perception_of(fusion, senses, 0)(readings(senses, 0))
    assert list(state.gates) == list(senses)
    assert all(gate.shape == (ROWS,) for gate in state.gates.values())


def test_the_gates_of_concat_say_what_is_present():
    senses = ("audio", "camera", "vector")
    mask = torch.tensor([[1, 0, 1]] * ROWS)
    state = perception_of("concat", senses, 0)(readings(senses, 0) | {PRESENT: mask})
    assert torch.equal(torch.stack(list(state.gates.values()), dim=1), mask.float())


@pytest.mark.parametrize("fusion", ["gated_cross_attention", "gated_sum"])
def test_gates_depend_on_what_is_sensed(fusion):
    senses = ("audio", "camera", "vector")
    perception = perception_of(fusion, senses, 0)
    one, other = perception(readings(senses, 0)).gates, perception(readings(senses, 1)).gates
    assert all((one[name] != other[name]).all() for name in senses)


def test_a_concatenation_of_present_flags_tells_absent_from_zero():
    perception = perception_of("concat", ("audio", "camera", "vector"), 0)
    obs = readings(("audio", "camera", "vector"), 0)
    zero = obs | {"vector": torch.zeros(ROWS, 3)}
    absent = obs | {PRESENT: torch.tensor([[1, 1, 0]] * ROWS)}
    assert (perception(zero).embedding != perception(absent).embedding).any()


def test_an_unknown_fusion_says_did_you_mean():
    with pytest.raises(UnknownNameError, match='The fusion "gated_atention" is not known; did you mean "gated_'):
        PerceptionConfig(fusion="gated_atention")
