"""Translation: generators and judges that work against each other, on a problem with a known answer."""

import dataclasses

import pytest
import torch

from kit.worlds.planted_senses import (
    SENSES,
    SMALL,
    TWO,
    generator,
    one_to_one,
    perception_for,
    related,
    seen_by,
    sensed,
)
from senseweave.perception import Spec, SpecError, Vector
from senseweave.perception.objectives.hidden_tokens import Hiding
from senseweave.perception.objectives.translation import Translation
from senseweave.perception.spec import PRESENT
from senseweave.policies import Pretrainer, PretrainingSettings


def test_every_sense_is_hidden_now_and_then_but_never_all():
    hiding, present = Hiding(3), torch.rand(500, 3, generator=generator(0)) < 0.7
    stays, wanted = hiding(present)
    assert not (stays & wanted).any() and not ((stays | wanted) & ~present).any()
    assert (stays.any(dim=1) == wanted.any(dim=1) | stays.any(dim=1)).all()
    assert not wanted[~stays.any(dim=1)].any()
    assert ((wanted.float().mean(dim=0) > 0.15) & (wanted.float().mean(dim=0) < 0.5)).all()
    assert hiding.noise_for(5).shape == (5, 8) and not torch.equal(*hiding.noise_for(2))


def test_generators_and_judges_get_gradients_of_their_own_loss_alone():
    perception, objective = perception_for(SENSES), Translation(SENSES, SMALL)
    seen = seen_by(perception, sensed(16, 0))
    judges, generators = objective.opponents(), list(objective.generators.parameters())
    encoders = list(perception.encoders.parameters())
    own = torch.autograd.grad(objective(seen).sum(), [*judges, *generators, *encoders], allow_unused=True)
    assert not any(gradient is not None for gradient in own[: len(judges)])
    assert all(gradient is not None for gradient in own[len(judges) :][: len(generators)])
    assert any(gradient is not None and gradient.any() for gradient in own[len(judges) + len(generators) :])
    against = torch.autograd.grad(
        objective.opponent_loss(seen).sum(), [*judges, *generators, *encoders], allow_unused=True
    )
    assert all(gradient is not None for gradient in against[: len(judges)])
    assert not any(gradient is not None for gradient in against[len(judges) :])


def test_real_tokens_are_goals_and_do_not_move_towards_what_is_easy():
    perception, objective = perception_for(TWO), Translation(TWO, SMALL)
    stays, wanted = objective.hiding(torch.ones(64, 2, dtype=torch.bool))
    rows = wanted[:, 1].nonzero()[:, 0]  # where touch is guessed from the compass
    obs = {name: part.requires_grad_() for name, part in related(64, 0).items()}
    loss = objective(seen_by(perception, obs))
    loss[rows].sum().backward()
    assert obs["compass"].grad[rows].any() and not obs["touch"].grad[rows].any()


def test_what_is_absent_is_no_context_and_no_goal():
    perception, objective = perception_for(SENSES), Translation(SENSES, SMALL)
    obs = {name: part.float() if name != "instruction" else part for name, part in sensed(12, 0).items()}
    present = torch.rand(12, 4, generator=generator(3)) < 0.6
    clean = seen_by(perception, obs, present)
    leaves = {}
    for i, name in enumerate(SENSES):
        if obs[name].is_floating_point():
            row = present[:, i].view(-1, *[1] * (obs[name].ndim - 1))
            leaves[name] = torch.where(row, obs[name], torch.inf).requires_grad_()
    dirty = seen_by(perception, obs | leaves, present)
    for loss in (objective.forward, objective.opponent_loss):
        assert torch.equal(loss(dirty), loss(clean)) and torch.isfinite(loss(dirty)).all()
    objective(dirty).sum().backward()
    for i, name in enumerate(SENSES):
        if name in leaves:
            assert not leaves[name].grad[~present[:, i]].any() and torch.isfinite(leaves[name].grad).all()
    alone = torch.zeros(12, 4, dtype=torch.bool)
    alone[:6, 2] = True  # one sense, or none: nothing can be translated
    assert torch.equal(objective(seen_by(perception, obs, alone)), torch.zeros(12))


def test_translated_tokens_are_much_nearer_the_true_ones_than_the_mean_token_is():
    config = dataclasses.replace(SMALL, imputation="translation")
    perception = perception_for(TWO, config=config)
    pretrainer = Pretrainer(perception, {"translation": 1.0}, 120, PretrainingSettings(learning_rate=5e-3), seed=0)
    course = [pretrainer.learn(one_to_one(64, step)) for step in range(120)]
    assert all(torch.isfinite(torch.tensor(list(told.values()))).all() for told in course)
    obs = one_to_one(1000, 10_000)
    with torch.no_grad():
        true = perception(obs, with_tokens=True).tokens
        for i, name in enumerate(TWO):
            mask = torch.ones(1000, 2)
            mask[:, i] = 0
            made = perception(obs | {PRESENT: mask}, with_tokens=True).tokens[name].tokens
            missed = (made - true[name].tokens).square().mean()
            mean = (true[name].tokens.mean(dim=0) - true[name].tokens).square().mean()
            print(f"{name}: squared error {missed:.4f}, that of the mean token {mean:.4f}")
            assert missed < 0.3 * mean and mean > 0.05


def test_one_sense_alone_is_refused_in_a_sentence():
    with pytest.raises(SpecError, match='"translation" relates senses to each other and needs two; got touch alone.'):
        Translation(Spec(touch=Vector(2)), SMALL)


def test_a_judge_stays_as_it_is_while_it_is_asked_as_another_thread_may_ask_it_too():
    perception, objective = perception_for(SENSES), Translation(SENSES, SMALL)
    learn = []
    for _, judge in objective.judges.items():
        judge.register_forward_pre_hook(lambda *_: learn.append([part.requires_grad for part in objective.opponents()]))
    objective(seen_by(perception, sensed(8, 0)))
    assert len(learn) == len(SENSES) and all(map(all, learn))
