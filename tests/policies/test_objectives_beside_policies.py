"""Objectives as auxiliary losses beside our PPO and imitation: what they see, and what they train."""

import dataclasses

import pytest
import torch
from gymnasium import spaces

from kit.worlds.planted_senses import SENSES, SMALL, perception_for, sensed
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import OBJECTIVES, Camera, Spec, Vector
from senseweave.perception.spec import PRESENT
from senseweave.policies import PPO, ImitationSettings, Imitator, PerceptionExtractor, ppo_settings
from senseweave.policies.auxiliary import AUXILIARIES, make_auxiliary
from senseweave.policies.second_look import Percept


def model_with(auxiliary, config=SMALL, **settings):
    env = RoomsVectorEnv(level="SeekSeen", num_envs=4, device="cpu", senses=("grid", "instruction"), size="small")
    given = ppo_settings(env.senses, config) | {"n_steps": 16, "batch_size": 32, "n_epochs": 1}
    return PPO("MultiInputPolicy", env, auxiliary=auxiliary, seed=0, device="cpu", workers=1, **given, **settings)


def test_every_objective_is_an_auxiliary_loss_of_its_name():
    assert set(OBJECTIVES) <= set(AUXILIARIES)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_objective_learns_beside_ppo(name):
    model = model_with({name: 0.1})
    before = {key: weight.clone() for key, weight in model.auxiliary.state_dict().items()}
    model.learn(128)
    told = model.logger.name_to_value
    moved = [not torch.equal(before[key], weight) for key, weight in model.auxiliary.state_dict().items()]
    assert sum(moved) > 0.5 * len(moved)
    assert all(torch.isfinite(weight).all() for weight in model.policy.parameters())
    assert all(torch.isfinite(torch.tensor(float(value))) for key, value in told.items() if "auxiliary" in key)


def test_an_objective_learns_beside_imitation():
    model = model_with({"contrastive": 1.0})
    imitator = Imitator(
        model.policy,
        model.environments,
        None,
        4 * 16,
        ImitationSettings(rollout_size=64, batch_size=32),
        auxiliary=dict(model.auxiliary.items()),
        auxiliary_weights={"contrastive": 1.0},
    )
    imitator.collect()
    before = model.auxiliary["contrastive"].objective.log_scale.item()
    assert imitator.learn()["auxiliary/contrastive"] > 0
    assert model.auxiliary["contrastive"].objective.log_scale.item() != before


def test_it_trains_the_imputer_of_the_perception_and_keeps_no_copy():
    model = model_with({"translation": 1.0}, dataclasses.replace(SMALL, imputation="translation"))
    imputer = model.policy.perception.imputer
    before = [weight.detach().clone() for weight in imputer.parameters()]
    assert not any("generators" in key for key in model.auxiliary.state_dict())
    model.learn(128)
    assert any(not torch.equal(one, two) for one, two in zip(before, imputer.parameters(), strict=True))


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_what_is_absent_neither_changes_the_loss_nor_gets_a_gradient(name):
    perception = perception_for(SENSES)
    torch.manual_seed(0)
    extractor = PerceptionExtractor(SENSES.space(), SENSES, SMALL, True)
    loss = make_auxiliary({name: 1.0}, SENSES, 16, 0, extractor)[name]
    obs = {key: part.float() if key != "instruction" else part for key, part in sensed(24, 0).items()}
    present = torch.rand(24, 4, generator=torch.Generator().manual_seed(2)) < 0.6
    losses, leaves = [], {}
    for placeholder in (0.0, torch.inf):
        changed = {PRESENT: present}
        for i, key in enumerate(SENSES):
            row = present[:, i].view(-1, *[1] * (obs[key].ndim - 1))
            changed[key] = torch.where(row, obs[key], placeholder if obs[key].is_floating_point() else 7)
            if obs[key].is_floating_point():
                leaves[key] = changed[key] = changed[key].requires_grad_()
        state = perception(changed, with_tokens=True)
        percept = Percept(state.embedding, state.tokens, state.present)
        losses.append(loss(state.embedding, {"observations": changed, "percept": percept}))
    assert torch.equal(*losses) and losses[0].shape == (24,) and losses[0].any()
    losses[1].sum().backward()
    for i, key in enumerate(SENSES):
        if key in leaves:
            gradient = torch.zeros_like(leaves[key]) if leaves[key].grad is None else leaves[key].grad
            assert not gradient[~present[:, i]].any() and torch.isfinite(gradient).all()


def test_frames_that_sb3_moved_are_put_back_for_the_autoencoder():
    spec = Spec(camera=Camera(16, 24), touch=Vector(2))
    moved = dict(spec.space().spaces) | {"camera": spaces.Box(0, 255, (3, 16, 24), "uint8")}
    frames = torch.randint(0, 256, (4, 16, 24, 3), dtype=torch.uint8)
    losses = []
    for space, shown in ((spec.space(), frames), (spaces.Dict(moved), frames.movedim(-1, 1))):
        torch.manual_seed(0)
        extractor = PerceptionExtractor(space, spec, SMALL, True)
        torch.manual_seed(1)
        loss = make_auxiliary({"autoencoder": 1.0}, spec, 16, 0, extractor)["autoencoder"]
        obs = {"camera": shown, "touch": torch.ones(4, 2)}
        state = extractor.perceive(obs, with_tokens=True)
        losses.append(
            loss(state.embedding, {"observations": obs, "percept": Percept(*state[:1], state.tokens, state.present)})
        )
    assert torch.equal(*losses)
