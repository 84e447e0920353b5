"""The multimodal autoencoder: what it reconstructs of each kind, also of what was hidden; nothing of what is absent."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
from gymnasium import spaces

from kit.worlds.planted_senses import SENSES, SMALL, TWO, perception_for, related, seen_by, sensed
from senseweave.perception import Camera, Grid, Instruction, Kind, Microphone, PerceptionConfig, Spec, Vector
from senseweave.perception.objectives import Seen
from senseweave.perception.objectives.autoencoder import Autoencoder
from senseweave.perception.objectives.targets import build_target
from senseweave.perception.spec import PRESENT


def test_a_picture_is_reconstructed_as_16_x_16_mean_colours():
    target = build_target("eye", Camera(32, 64), SMALL)
    frame = torch.zeros(1, 32, 64, 3, dtype=torch.uint8)
    frame[0, :2, 4:8] = torch.tensor([255, 0, 127])
    goal = torch.full((3, 16, 16), -1.0)
    goal[:, 0, 1] = torch.tensor([1.0, -1.0, 127 / 127.5 - 1])
    assert target(goal.flatten()[None], {"eye": frame}).item() == pytest.approx(0, abs=1e-10)
    assert target(goal.flatten()[None], {"eye": frame.float() * 0}).item() > 1e-3


def test_sound_is_reconstructed_as_features_whether_digested_or_not():
    spec = Spec(ear=Microphone(1, 1600, 8000))
    perception = perception_for(spec)
    target = build_target("ear", spec["ear"], SMALL)
    wave = torch.rand(3, 1, 1600) - 0.5
    digested = perception.digest({"ear": wave})
    guess = torch.randn(3, target.size)
    torch.testing.assert_close(target(guess, {"ear": wave}), target(guess, digested))
    features = digested["ear_features"]  # b f k
    assert target.frames == 8 and target.size == 8 * features.shape[2]
    goal = torch.nn.functional.adaptive_avg_pool1d(features.transpose(1, 2), 8).flatten(1)
    assert target(goal, digested).abs().max() < 1e-10
    short = target(guess, {"ear": wave, "ear_length": torch.tensor([800, 1600, 1600])})
    assert short[0] != target(guess, {"ear": wave})[0] and short[1] == target(guess, {"ear": wave})[1]


def test_an_instruction_is_reconstructed_as_the_words_in_it():
    target = build_target("told", Instruction(5, 10), SMALL)
    words = torch.tensor([[3, 7, 3, 0, 0], [0, 0, 0, 0, 0]])
    guess = torch.full((2, 10), -20.0)
    guess[0, [3, 7]] = 20.0
    assert target(guess, {"told": words}).max() < 1e-6
    guess[0, 7] = -20.0
    torch.testing.assert_close(target(guess, {"told": words})[0], torch.tensor(20.0 / 2))  # nats a word


def test_a_grid_is_reconstructed_as_its_categories():
    target = build_target("map", Grid(2, 1, (3, 2)), SMALL)
    cells = torch.tensor([[[[2, 0]], [[0, 1]]]], dtype=torch.uint8)
    guess = torch.full((1, 2, 5), -20.0)
    guess[0, 0, [2, 3]], guess[0, 1, [0, 4]] = 20.0, 20.0
    assert target(guess.flatten(1), {"map": cells}).item() < 1e-6
    torch.testing.assert_close(target(torch.zeros(1, 10), {"map": cells})[0], torch.tensor([3.0, 2.0]).log().mean())


@dataclasses.dataclass(frozen=True)
class Skin(Kind):
    side: int
    dtype: ClassVar[type[np.generic]] = np.float32

    def space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (self.side, self.side), np.float32)


def test_numbers_of_any_kind_are_reconstructed_bounded():
    for kind, numbers in ((Vector(4), torch.randn(2, 4)), (Skin(3), torch.randn(2, 3, 3))):
        target = build_target("skin", kind, SMALL)
        assert target(torch.asinh(numbers).flatten(1), {"skin": numbers}).max() < 1e-10
        assert target(torch.zeros(2, target.size), {"skin": numbers + 1e30}).max() < 5000
    large = build_target("skin", Skin(40), SMALL)
    assert large.size == 1024 and large(torch.zeros(2, 1024), {"skin": torch.ones(2, 40, 40)}).shape == (2,)


@pytest.mark.parametrize("placeholder", [0.0, 1e30, torch.nan])
def test_what_is_absent_has_no_loss_no_gradient_and_no_influence(placeholder):
    perception, objective = perception_for(SENSES), Autoencoder(SENSES, SMALL)
    obs = {name: part.float() if name != "instruction" else part for name, part in sensed(6, 0).items()}
    present = torch.rand(6, 4, generator=torch.Generator().manual_seed(1)) < 0.5
    clean = objective(seen_by(perception, obs, present))
    leaves, dirty = {}, dict(obs)
    for i, name in enumerate(SENSES):
        row = present[:, i].view(-1, *[1] * (obs[name].ndim - 1))
        if obs[name].is_floating_point():
            dirty[name] = leaves[name] = torch.where(row, obs[name], placeholder).requires_grad_()
        else:
            dirty[name] = torch.where(row, obs[name], 31)
    loss = objective(seen_by(perception, dirty, present))
    assert torch.equal(loss, clean) and torch.isfinite(loss).all()
    loss.sum().backward()
    for i, name in enumerate(SENSES):
        if name in leaves:
            assert not leaves[name].grad[~present[:, i]].any() and torch.isfinite(leaves[name].grad).all()
    gone = objective(seen_by(perception, obs, torch.zeros(6, 4)))
    assert torch.equal(gone, torch.zeros(6))
    missing = {name: part for name, part in obs.items() if name != "camera"}
    mask = torch.tensor([[1, 0, 1, 1]]).expand(6, -1)
    torch.testing.assert_close(objective(seen_by(perception, missing, mask)), objective(seen_by(perception, obs, mask)))


def test_what_was_only_hidden_is_reconstructed_too():
    perception, objective = perception_for(TWO), Autoencoder(TWO, SMALL)
    obs = related(5, 0)
    hidden = Seen.of(obs, perception(obs | {PRESENT: torch.tensor([[1, 0]]).expand(5, -1)}, with_tokens=True))
    other = {"compass": obs["compass"], "touch": obs["touch"] + 1.0}
    assert (objective(hidden) > 0).all() and hidden.present[0].tolist() == [True, False]
    assert not torch.equal(objective(hidden), objective(hidden._replace(observations=other)))
    absent = objective(hidden._replace(observations=obs | {PRESENT: torch.tensor([[1, 0]]).expand(5, -1)}))
    assert (absent < objective(hidden)).all()


def test_the_tokens_of_what_was_hidden_teach_the_imputer_of_its_name():
    config = dataclasses.replace(SMALL, imputation="autoencoder")
    perception, objective = perception_for(TWO, config=config), Autoencoder(TWO, config)
    plain = objective(seen_by(perception, related(16, 0)))
    objective.attach(perception)
    loss = objective(seen_by(perception, related(16, 0)))
    assert (loss >= plain).all() and (loss > plain).any()
    gradients = torch.autograd.grad(loss.sum(), list(perception.imputer.decoders.parameters()))
    assert all(gradient.any() for gradient in gradients)
    assert not any(name.startswith("_imputer") for name in objective.state_dict())


def test_decoders_read_a_state_of_any_width():
    config = PerceptionConfig.preset("base")
    assert Autoencoder(SENSES, config)(seen_by(perception_for(SENSES, config=config), sensed(2, 0))).shape == (2,)
