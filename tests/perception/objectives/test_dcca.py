"""Deep CCA: its gradient, degenerate batches, masks, and a problem that linear CCA cannot solve."""

import pytest
import torch

from kit.worlds.planted_senses import SMALL, TWO, generator, perception_for, related, seen_by
from senseweave.perception.objectives.cca import linear_cca
from senseweave.perception.objectives.dcca import RIDGE, DeepCCA, NuclearNorm, total_correlation


def view(n, k, seed):
    return torch.randn(n, k, generator=generator(seed), dtype=torch.float64)


def by_eigenvalues(one, other, ridge):
    """Equation 10, with inverse roots by eigenvalues."""
    one, other = one - one.mean(0), other - other.mean(0)
    roots = []
    for part in (one, other):
        values, vectors = torch.linalg.eigh(part.T @ part / (len(part) - 1) + ridge * torch.eye(part.shape[1]).double())
        roots.append(vectors @ torch.diag(values**-0.5) @ vectors.T)
    return torch.linalg.svdvals(roots[0] @ (one.T @ other / (len(one) - 1)) @ roots[1]).sum()


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_sum_of_canonical_correlations(seed):
    one, other = view(40, 3, seed), view(40, 3, seed + 10)
    other = other + one @ view(3, 3, 99)
    everything = torch.ones(40, dtype=torch.bool)
    torch.testing.assert_close(total_correlation(one, other, everything), by_eigenvalues(one, other, RIDGE))
    exact = total_correlation(one, other, everything, 1e-12)
    torch.testing.assert_close(exact, linear_cca(one, other, 3).correlations.sum(), rtol=1e-8, atol=1e-8)


def test_its_gradient_is_the_numerical_one():
    counts = torch.tensor([1, 1, 0, 1, 1, 1, 1, 1]).bool()
    one, other = view(8, 3, 0).requires_grad_(), view(8, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: total_correlation(a, b, counts), (one, other))
    assert torch.autograd.gradcheck(NuclearNorm.apply, (view(4, 3, 2).requires_grad_(),))


DEGENERATE = {
    "batch below dim": (view(4, 8, 0), view(4, 8, 1)),
    "batch of dim": (view(8, 8, 0), view(8, 8, 1)),
    "the same view twice": (view(20, 4, 0), view(20, 4, 0)),  # all correlations are equal
    "repeated eigenvalues": (torch.eye(6).double().repeat(4, 1), torch.eye(6).double().repeat(4, 1)),
    "repeated columns": (view(20, 1, 0).expand(-1, 4), view(20, 1, 1).expand(-1, 4)),
    "constant": (torch.ones(20, 4).double(), view(20, 4, 1)),
    "all zeros": (torch.zeros(20, 4).double(), torch.zeros(20, 4).double()),
    "absurdly large": (1e15 * view(20, 4, 0), view(20, 4, 1)),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_batches_have_finite_gradients(case):
    one, other = (part.clone().requires_grad_() for part in DEGENERATE[case])
    value = total_correlation(one, other, torch.ones(len(one), dtype=torch.bool))
    value.backward()
    assert torch.isfinite(value) and 0 <= value <= one.shape[1] + 1e-6
    assert torch.isfinite(one.grad).all() and torch.isfinite(other.grad).all()
    assert one.grad.abs().max() < 1e4


@pytest.mark.parametrize("counting", [0, 1])
def test_with_fewer_than_two_samples_the_loss_and_its_gradient_are_exactly_zero(counting):
    perception, objective = perception_for(TWO), DeepCCA(TWO, SMALL)
    present = torch.ones(6, 2, dtype=torch.bool)
    present[counting:, 0] = False
    loss = objective(seen_by(perception, related(6, 0), present))
    gradients = torch.autograd.grad(loss.sum(), [*objective.parameters(), *perception.parameters()], allow_unused=True)
    assert torch.equal(loss, torch.zeros(6))
    assert not any(gradient.any() for gradient in gradients if gradient is not None)


def test_only_samples_with_both_senses_count():
    counts = torch.tensor([1, 0, 1, 1, 1, 0, 1]).bool()
    one, other = view(7, 2, 0), view(7, 2, 1)
    dirty = torch.where(counts[:, None], one, torch.inf).requires_grad_()
    value = total_correlation(dirty, other, counts)
    torch.testing.assert_close(value, by_eigenvalues(one[counts], other[counts], RIDGE))
    value.backward()
    assert not dirty.grad[~counts].any() and dirty.grad[counts].any()


def test_it_finds_what_linear_cca_cannot():
    torch.manual_seed(0)
    objective, perception = DeepCCA(TWO, SMALL), perception_for(TWO)
    optimizer = torch.optim.Adam([*objective.parameters(), *perception.parameters()], lr=3e-3)
    for step in range(150):
        loss = objective(seen_by(perception, related(256, step))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    held_out = related(2000, 10_000)
    with torch.no_grad():
        vectors = objective.vectors(seen_by(perception, held_out))
    linear = linear_cca(held_out["compass"], held_out["touch"], 4).correlations.mean()
    deep = linear_cca(vectors["compass"], vectors["touch"], 4).correlations.mean()
    print(f"mean of 4 held-out correlations: deep {deep:.3f}, linear {linear:.3f}")
    assert deep > linear + 0.3
