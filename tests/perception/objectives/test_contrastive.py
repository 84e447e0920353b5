"""Symmetric InfoNCE against a loop in float64 from which absent samples were removed."""

import math

import numpy as np
import pytest
import torch

from kit.worlds.planted_senses import SENSES, SMALL, TWO, generator, perception_for, related, seen_by, sensed
from senseweave.perception import Spec, SpecError, Vector
from senseweave.perception.objectives.contrastive import Contrastive, info_nce


def loop_in_float64(one, other, counts, scale):
    """The mean loss over the samples that count, found one by one."""
    rows = [i for i in range(len(counts)) if counts[i]]
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    total = {}
    for i in rows:
        forth = [scale * one[i] @ other[j] for j in rows]
        back = [scale * one[j] @ other[i] for j in rows]
        own = scale * one[i] @ other[i]
        total[i] = 0.5 * (math.log(sum(map(math.exp, forth))) - own + math.log(sum(map(math.exp, back))) - own)
    return np.array([total.get(i, 0.0) for i in range(len(counts))])


@pytest.mark.parametrize("seed", range(6))
def test_the_loss_is_that_of_a_loop_without_the_absent_samples(seed):
    draws = generator(seed)
    one, other = (torch.nn.functional.normalize(torch.randn(9, 5, generator=draws), dim=1) for _ in range(2))
    counts = torch.rand(9, generator=draws) < (0.3, 0.5, 0.9)[seed % 3]
    loss = info_nce(one, other, counts, torch.tensor(7.0))
    np.testing.assert_allclose(loss.numpy(), loop_in_float64(one, other, counts.tolist(), 7.0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("counting", [[], [3]])
def test_with_no_pair_or_one_the_loss_and_its_gradient_are_exactly_zero(counting):
    one, other = (torch.randn(5, 4, generator=generator(seed)).requires_grad_() for seed in (1, 2))
    counts = torch.tensor([i in counting for i in range(5)])
    scale = torch.tensor(14.0, requires_grad=True)
    loss = info_nce(one, other, counts, scale)
    loss.sum().backward()
    assert torch.equal(loss, torch.zeros(5))
    assert not one.grad.any() and not other.grad.any() and not scale.grad.any()
    assert torch.isfinite(one.grad).all() and torch.isfinite(scale.grad)


def test_content_that_does_not_count_neither_changes_the_loss_nor_gets_a_gradient():
    counts = torch.tensor([1, 0, 1, 1, 0]).bool()
    one, other = (torch.randn(5, 4, generator=generator(seed)) for seed in (1, 2))
    changed = torch.where(counts[:, None], one, torch.nan).requires_grad_()
    loss = info_nce(changed, other, counts, torch.tensor(5.0))
    assert torch.equal(loss, info_nce(one, other, counts, torch.tensor(5.0)))
    loss.sum().backward()
    assert not changed.grad[~counts].any() and changed.grad[counts].any()


def test_each_pair_of_senses_counts_where_both_are_here():
    objective = Contrastive(SENSES, SMALL)
    perception, obs = perception_for(SENSES), sensed(8, 0)
    present = torch.rand(8, 4, generator=generator(5)) < 0.6
    seen = seen_by(perception, obs, present)
    vectors = {name: vector.detach() for name, vector in objective.vectors(seen).items()}
    names, scale = list(SENSES), float(objective.scale.detach())
    expected = sum(
        loop_in_float64(vectors[one], vectors[other], (present[:, i] & present[:, j]).tolist(), scale)
        for i, one in enumerate(names)
        for j, other in enumerate(names)
        if i < j
    )
    np.testing.assert_allclose(objective(seen).detach().numpy(), expected / 6, rtol=1e-4, atol=1e-5)


def test_the_temperature_is_learned_within_limits_and_comes_back():
    objective = Contrastive(TWO, SMALL)
    assert float(objective.scale.detach()) == pytest.approx(1 / 0.07, rel=1e-5)
    for wild, limit in ((50.0, 100.0), (-50.0, 1.0)):
        with torch.no_grad():
            objective.log_scale.fill_(wild)
        assert float(objective.scale.detach()) == pytest.approx(limit, rel=1e-4)
        (gradient,) = torch.autograd.grad(objective.scale, objective.log_scale)
        assert gradient > 0


def test_learning_tells_which_readings_belong_together():
    torch.manual_seed(0)
    objective, perception = Contrastive(TWO, SMALL), perception_for(TWO)
    optimizer = torch.optim.Adam([*objective.parameters(), *perception.parameters()], lr=3e-3)
    for step in range(120):
        loss = objective(seen_by(perception, related(64, step))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    vectors = objective.vectors(seen_by(perception, related(64, 10_000)))
    best = (vectors["compass"] @ vectors["touch"].T).argmax(dim=1)
    assert (best == torch.arange(64)).float().mean() > 0.3  # 1 / 64 by chance


def test_one_sense_alone_is_refused_in_a_sentence():
    with pytest.raises(SpecError, match='"contrastive" relates senses to each other and needs two; got touch alone.'):
        Contrastive(Spec(touch=Vector(2)), SMALL)
