"""Everything that perceives can be differentiated twice on a CPU, and once as torch's kernels do."""

import gymnasium
import numpy as np
import pytest
import torch
from sb3_contrib import TRPO
from torch.nn import functional

from senseweave.perception import FUSIONS, Camera, Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.fusion.parts.attend import attend
from senseweave.policies.presets import policy_settings

SPEC = Spec(camera=Camera(16, 16), touch=Vector(3))


def tensors(dtype=torch.float64, n=5):
    """Queries, keys, values, and a bias that hides a token."""
    generator = torch.Generator().manual_seed(0)
    draw = [torch.randn(2, 2, length, 4, dtype=dtype, generator=generator) for length in (3, n, n)]
    bias = torch.zeros(2, 1, 1, n, dtype=dtype)
    bias[1, ..., -1] = -torch.inf
    return [part.requires_grad_() for part in draw], bias


@pytest.mark.parametrize("is_masked", [False, True])
def test_second_derivatives_are_those_of_the_function(is_masked):
    given, bias = tensors()
    bias = bias if is_masked else None
    assert torch.autograd.gradcheck(lambda *parts: attend(*parts, bias), given)
    assert torch.autograd.gradgradcheck(lambda *parts: attend(*parts, bias), given)


@pytest.mark.parametrize("is_masked", [False, True])
def test_numbers_and_first_derivatives_are_the_kernels_bit_by_bit(is_masked):
    given, bias = tensors(torch.float32, 70)
    bias = bias if is_masked else None
    kernel = functional.scaled_dot_product_attention(*given, attn_mask=bias)
    found = attend(*given, bias)
    assert torch.equal(kernel, found)
    gradient = torch.randn(found.shape)
    expected, own = (torch.autograd.grad(part, given, gradient) for part in (kernel, found))
    assert all(torch.equal(part, other) for part, other in zip(expected, own, strict=True))
    with torch.no_grad():
        assert torch.equal(attend(*given, bias), kernel)


def test_some_may_need_no_gradient_and_a_graph_that_is_gone_is_told():
    (query, key, value), _ = tensors()
    found = attend(query.detach(), key, value.detach()).sum()
    found.backward()
    assert key.grad.abs().sum() > 0 and query.grad is None
    with pytest.raises(RuntimeError, match="second time"):
        found.backward()
    again = attend(query, key, value).sum()
    first = torch.autograd.grad(again, key, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(again, key)[0])


def test_functional_transforms_work_too():
    (query, key, value), _ = tensors()
    plain = [part.detach() for part in (query, key, value)]
    curve = torch.func.grad(torch.func.grad(lambda scale: attend(plain[0] * scale, *plain[1:]).square().sum()))
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(attend(plain[0] * scale, *plain[1:]).square().sum(), scale, create_graph=True)[0]
    torch.testing.assert_close(curve(scale.detach()), torch.autograd.grad(slope, scale)[0])


@pytest.mark.parametrize("fusion", FUSIONS.names)
def test_every_fusion_can_be_differentiated_twice(fusion):
    torch.manual_seed(0)
    perception = Perception(SPEC, PerceptionConfig(fusion=fusion, width=16, latents=2, heads=2, state_dim=8))
    seen = perception.prepare({"camera": np.full((2, 16, 16, 3), 90, np.uint8), "touch": np.ones((2, 3), np.float32)})
    parameters = list(perception.parameters())

    def gradients(create_graph):
        loss = perception(seen).embedding.square().sum()
        return torch.autograd.grad(loss, parameters, create_graph=create_graph, allow_unused=True)

    first, differentiable = gradients(False), gradients(True)
    for part, other in zip(first, differentiable, strict=True):
        assert (part is None) == (other is None)
        if part is not None:
            torch.testing.assert_close(part, other.detach(), rtol=1e-4, atol=1e-5)
    penalty = sum(part.square().sum() for part in differentiable if part is not None)
    penalty.backward()
    slopes = [part.grad for part in parameters if part.grad is not None]
    assert all(slope.isfinite().all() for slope in slopes) and any(slope.any() for slope in slopes)


def test_trpo_of_sb3_contrib_learns_with_the_default_fusion():
    env = gymnasium.make("senseweave.envs:senseweave/GoToObj-v0", senses=("grid", "instruction"))
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
    kwargs = policy_settings(env.get_wrapper_attr("senses"), config)
    model = TRPO("MultiInputPolicy", env, policy_kwargs=kwargs, n_steps=32, batch_size=32, device="cpu", seed=0)
    before = [part.detach().clone() for part in model.policy.features_extractor.parameters()]
    model.learn(32)
    after = model.policy.features_extractor.parameters()
    assert any(not torch.equal(part, other) for part, other in zip(before, after, strict=True))
