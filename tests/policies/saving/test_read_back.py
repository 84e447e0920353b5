"""What `PPO.save` writes can be loaded, or the save before it stays."""

import functools

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from senseweave.perception import Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import CheckpointError, ConfigError
from senseweave.policies import PPO, ppo_settings
from senseweave.policies.saving.random_state import capture

OBSERVATION = np.zeros(4, np.float32)


def small(**settings):
    return PPO("MlpPolicy", "CartPole-v1", **{"n_steps": 8, "batch_size": 8, "device": "cpu"} | settings)


def values(model):
    tensor = torch.as_tensor(OBSERVATION)[None]
    return model.policy.predict_values(tensor).item()


@pytest.mark.parametrize("part", ["", "mlp_extractor", "action_net"])
def test_a_policy_of_which_a_part_was_compiled_is_saved_by_the_names_it_has_without(tmp_path, part):
    model = small()
    model.save(tmp_path / "model")
    if part:
        setattr(model.policy, part, torch.compile(getattr(model.policy, part), backend="eager"))
    else:
        model.policy = torch.compile(model.policy, backend="eager")
    if not part:
        model.learn(16)
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", "CartPole-v1", device="cpu")
    assert loaded.num_timesteps == model.num_timesteps and values(loaded) == values(model)
    model.set_parameters(tmp_path / "model", device="cpu")
    loaded.learn(8, reset_num_timesteps=False)


def test_a_compiled_extractor_keeps_its_senses_and_its_perception(tmp_path):
    env = gymnasium.make("senseweave.envs:senseweave/GoToObj-v0", senses=("grid", "instruction"))
    model = PPO(
        "MultiInputPolicy", env, **ppo_settings(env.get_wrapper_attr("senses")) | {"n_steps": 8, "batch_size": 8}
    )
    model.policy.features_extractor = torch.compile(model.policy.features_extractor, backend="eager")
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", device="cpu")
    assert loaded.policy.senses == env.get_wrapper_attr("senses")


def replaced(model):
    model.policy.action_net = nn.Sequential(model.policy.action_net, nn.Linear(2, 2))


def wider(model):
    model.policy.value_net = nn.Linear(32, 1)


def normed(model):
    nn.utils.parametrizations.weight_norm(model.policy.value_net)


@pytest.mark.parametrize("change", [replaced, wider, normed])
def test_a_policy_that_could_not_be_loaded_is_refused_and_the_save_before_it_stays(tmp_path, change):
    model = small()
    model.save(tmp_path / "model")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    change(model)
    with pytest.raises(CheckpointError, match="would not load these weights, so nothing was saved"):
        model.save(tmp_path / "model")
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
    PPO.load(tmp_path / "model", "CartPole-v1", device="cpu").learn(8)


def test_saving_draws_no_random_numbers(tmp_path):
    model = small()
    before = capture()
    model.save(tmp_path / "model")
    after = capture()
    assert before[0] == after[0] and torch.equal(before[1]["torch"], after[1]["torch"])


def test_a_function_in_the_policys_settings_is_named_and_must_be_given_again(tmp_path):
    kwargs = {"activation_fn": lambda: nn.Tanh(), "net_arch": [8]}
    small(policy_kwargs=kwargs).save(tmp_path / "model")
    with pytest.raises(ConfigError, match="activation_fn` is .* of your own, <lambda>"):
        PPO.load(tmp_path / "model")
    PPO.load(tmp_path / "model", policy_kwargs={"activation_fn": kwargs["activation_fn"]}, device="cpu")


def test_what_no_file_can_hold_in_the_policys_settings_is_left_out_with_a_warning(tmp_path):
    kwargs = {"activation_fn": functools.partial(nn.LeakyReLU, 0.1), "net_arch": [8]}
    with pytest.warns(UserWarning, match="`policy_kwargs.activation_fn` is functools.partial.* it is left out"):
        small(policy_kwargs=kwargs).save(tmp_path / "model")
    with pytest.raises(ConfigError, match="`policy_kwargs` was left out"):
        PPO.load(tmp_path / "model")
    PPO.load(tmp_path / "model", policy_kwargs=kwargs, device="cpu")


def test_a_perception_of_which_a_part_was_compiled_is_saved_by_the_names_it_has_without(tmp_path):
    perception = Perception(Spec(touch=Vector(3)), PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)).eval()
    touched = perception.prepare({"touch": np.ones(3, np.float32)})
    before = perception(touched).embedding
    perception.fusion = torch.compile(perception.fusion, backend="eager")
    perception.save_pretrained(tmp_path / "perception")
    assert torch.equal(Perception.from_pretrained(tmp_path / "perception").eval()(touched).embedding, before)
