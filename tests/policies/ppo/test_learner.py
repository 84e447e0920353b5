"""The half of learning that PPO and imitation share, with losses of the test's own."""

import torch

from kit.worlds.cue import SPEC, CueWorld
from senseweave.perception import PerceptionConfig
from senseweave.policies.policy import SensePolicy
from senseweave.policies.ppo.learner import Acted, Learner, Underway
from senseweave.policies.ppo.minibatch import Minibatches
from senseweave.policies.ppo.rollout import Rollout
from senseweave.policies.ppo.sources import environments_of
from senseweave.policies.ppo.workers import Workers
from senseweave.policies.presets import policy_settings

ENVS, STEPS = 5, 7


def learner(workers=1):
    """A learner, the environments that it plays in, and where their episodes are."""
    torch.manual_seed(0)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
    settings = policy_settings(SPEC, config) | {"net_arch": [8], "optimizer_class": torch.optim.SGD}
    settings["optimizer_kwargs"] = {}
    policy = SensePolicy(SPEC.space(), CueWorld.single_action_space, lambda _: 0.1, **settings)
    environments = environments_of(CueWorld(ENVS), torch.device("cpu"))
    rollout = Rollout(STEPS, ENVS, torch.device("cpu"), policy.perception)
    underway = Underway(environments.reset(0), None, torch.ones(ENVS, dtype=torch.bool))
    return Learner(policy, rollout, Workers(workers), "test"), environments, underway


def always(number):
    """Acts the same in every environment, and counts how often it was asked."""
    asked = []

    def act(seen, underway):
        asked.append(seen)
        actions = torch.full((ENVS,), number)
        return Acted(actions, actions + 1, torch.zeros(ENVS), torch.full((ENVS,), 0.5), None)

    return act, asked


def played(workers=1):
    own, environments, underway = learner(workers)
    act, _ = always(0)
    ends = []
    assert own.collect(environments, underway, STEPS, act, lambda acted, outcome, now: ends.append(now) or True)
    own.finish(ends[-1], own.policy.perceive, gamma=0.9, gae_lambda=1.0)
    return own


def test_a_rollout_holds_what_was_seen_what_is_learned_and_what_it_brought():
    own, environments, underway = learner()
    act, asked = always(1)
    rewards, over = [], []

    def after_step(acted, outcome, now):
        assert torch.is_grad_enabled() and torch.equal(now.starts, outcome.is_over)
        rewards.append(outcome.reward)
        over.append(outcome.is_over)
        return True

    assert own.collect(environments, underway, STEPS, act, after_step)
    rollout = own.rollout
    assert rollout.length == STEPS and torch.equal(rollout.rewards, torch.stack(rewards))
    assert (rollout.actions == 2).all()  # not what was done, but what is to be learned
    assert torch.equal(rollout.starts, torch.stack([underway.starts, *over[:-1]]))
    assert torch.equal(rollout.observations()["touch"], torch.stack([seen["touch"] for seen in asked]))


def test_a_rollout_that_is_broken_off_ends_there():
    own, environments, underway = learner()
    act, asked = always(0)
    assert not own.collect(environments, underway, STEPS, act, lambda *_: len(asked) < 3)
    assert own.rollout.length == len(asked) == 3


def value_losses(own):
    """The mean squared distance of the values from 1, and it as the only figure."""
    count = own.rollout.length * ENVS

    def losses(samples):
        values = own.policy.judge(own.policy.perceive(samples.readings))[0].values
        loss = (values - 1.0).square().sum() / count
        return loss, loss[None]

    return losses


def test_every_epoch_goes_through_all_samples_and_the_loss_falls():
    own = played()
    minibatches = Minibatches(own.rollout, 1000)
    epochs = own.learn(minibatches, 20, 0.5, lambda rows: value_losses(own))
    assert [len(epoch) for epoch in epochs] == [1] * 20
    assert float(epochs[-1][0]) < 0.5 * float(epochs[0][0])


def test_the_parts_of_a_minibatch_add_up_to_the_whole(monkeypatch):
    monkeypatch.setattr("senseweave.policies.ppo.minibatch.MIN_ROWS", 4)
    gradients, figures = [], []
    for workers in (1, 3):
        own = played(workers)
        minibatches = Minibatches(own.rollout, 1000)
        rows = torch.arange(STEPS * ENVS)
        assert len(own.workers.split(rows, minibatches.min_rows)) == workers
        figures.append(own.gradients(minibatches, rows, value_losses(own)))
        gradients.append([part.grad for part in own.parameters if part.grad is not None])
    torch.testing.assert_close(figures[0], figures[1])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_enough_is_asked_before_the_step():
    own = played()
    before = [part.clone() for part in own.policy.parameters()]
    epochs = own.learn(Minibatches(own.rollout, 10), 3, 0.5, lambda rows: value_losses(own), lambda figures: True)
    assert [len(epoch) for epoch in epochs] == [1]
    assert all(torch.equal(one, other) for one, other in zip(before, own.policy.parameters(), strict=True))


def test_a_long_gradient_is_shortened():
    own = played()
    before = torch.cat([part.flatten() for part in own.policy.parameters()]).detach()
    own.learn(Minibatches(own.rollout, 1000), 1, 0.01, lambda rows: value_losses(own))
    moved = torch.cat([part.flatten() for part in own.policy.parameters()]).detach() - before
    assert 0.0 < float(moved.norm()) <= 0.1 * 0.01 * 1.001  # the learning rate times the longest gradient
