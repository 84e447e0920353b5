"""Imitation: a policy learns from an expert in the states that it meets itself."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.perception import PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError
from senseweave.policies.imitation import ImitationSettings, Imitator, imitate
from senseweave.policies.presets import PPOPreset, ppo_settings, recurrent_ppo_settings

CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
SPEC = Spec(touch=Vector(2))


class Corridor(gymnasium.Env):
    """Five cells to a goal on the left or on the right; what is felt are the goal's side and the place."""

    observation_space, action_space = SPEC.space(), spaces.Discrete(2)

    def __init__(self, continuous: bool = False) -> None:
        if continuous:
            self.action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.side, self.place, self.left = int(self.np_random.integers(2)), 0, 20
        return self.observe(), {}

    def step(self, action):
        self.place += 1 if np.ravel(action)[0] > 0 else -1
        self.left -= 1
        is_there = self.place == (5 if self.side else -5)
        return self.observe(), float(is_there), is_there, self.left == 0, {"is_success": is_there}

    def observe(self):
        return {"touch": np.array([2 * self.side - 1, self.place / 5], np.float32), "present": SPEC.present()}


def corridors(number=8, continuous=False):
    """Environments, and the expert, who walks to the goal's side."""
    vector = DummyVecEnv([lambda: Corridor(continuous)] * number)
    vector.seed(0)

    def expert():
        sides = np.array([env.unwrapped.side for env in vector.envs])
        return (2.0 * sides - 1)[:, None].astype(np.float32) if continuous else sides

    return vector, expert


def model_for(vector, spec=SPEC, **settings):
    kwargs = ppo_settings(spec, CONFIG, PPOPreset(n_steps=16, batch_size=32)) | settings
    return PPO("MultiInputPolicy", vector, seed=0, device="cpu", **kwargs)


def test_a_policy_learns_a_level_of_babyai_and_solves_seeds_that_it_never_saw():
    options = {"level": "GoToObj", "senses": ("grid", "instruction"), "device": "cpu"}
    vector = RoomsSB3VecEnv(num_envs=32, **options)
    model = model_for(vector, vector.get_attr("senses")[0])
    vector.seed(0)
    settings = ImitationSettings(rollout_size=256, batch_size=32, epochs=2)
    before = solved(model.policy, options)
    imitate(model.policy, vector, lambda: vector.env.expert_actions().numpy(), 6000, settings, seed=1)
    after = solved(model.policy, options)
    assert before < 0.4 and after > 0.65, (before, after)  # 0.20 and 0.77 after 5,000 steps when written


def solved(policy, options):
    """The share of 64 held-out episodes that the policy solves."""
    vector = RoomsSB3VecEnv(num_envs=64, **options)
    vector.seed(1_000_000_000)
    observation, results = vector.reset(), np.full(64, np.nan)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        while np.isnan(results).any():
            observation, _, dones, infos = vector.step(policy.predict(observation)[0])
            for row in np.flatnonzero(dones & np.isnan(results)):
                results[row] = infos[row]["is_success"]
    return results.mean()


def test_the_expert_acts_less_and_less_until_the_policy_plays_alone():
    vector, expert = corridors(4)
    settings = ImitationSettings(rollout_size=40, expert_share=0.5)
    imitator = Imitator(model_for(vector).policy, vector, expert, 400, settings)
    shares, agreements = [], []
    while imitator.done < 400:
        shares.append(imitator.expert_share)
        rollout = imitator.collect()
        went_right = np.diff(rollout.observations["touch"][:, 1].reshape(10, 4), axis=0) > 0
        stayed = np.abs(np.diff(rollout.observations["touch"][:, 1].reshape(10, 4), axis=0)) < 0.3  # no new episode
        agreements.append(np.mean((went_right == rollout.actions.reshape(10, 4)[:-1].numpy())[stayed]))
    assert shares == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0, 0])
    assert agreements[0] == 1 and 0.25 < np.mean(agreements[5:]) < 0.75


def test_every_state_is_labelled_with_what_the_expert_would_do_there():
    vector, expert = corridors(4)
    settings = ImitationSettings(rollout_size=60, expert_share=0.0)
    rollout = Imitator(model_for(vector).policy, vector, expert, 600, settings).collect()
    assert len(rollout) == 60
    sides = (rollout.observations["touch"][:, 0] > 0).long()
    assert torch.equal(rollout.actions, sides)


def test_returns_are_discounted_and_end_with_their_episode():
    """The expert alone needs five steps; the reward comes with the last one."""
    vector, expert = corridors(2)
    settings = ImitationSettings(rollout_size=20, expert_share=1.0, gamma=0.5)
    imitator = Imitator(model_for(vector).policy, vector, expert, 10**6, settings)
    returns = imitator.collect().returns.reshape(10, 2)
    expected = torch.tensor([0.5**4, 0.5**3, 0.25, 0.5, 1.0] * 2)
    torch.testing.assert_close(returns, torch.stack([expected, expected], dim=1))


def test_what_follows_a_rollout_is_what_the_value_head_expects():
    vector, expert = corridors(2)
    policy = model_for(vector).policy
    torch.nn.init.zeros_(policy.value_net.weight)
    torch.nn.init.constant_(policy.value_net.bias, 8.0)
    settings = ImitationSettings(rollout_size=6, expert_share=1.0, gamma=0.5)
    returns = Imitator(policy, vector, expert, 10**6, settings).collect().returns.reshape(3, 2)
    torch.testing.assert_close(returns[:, 0], torch.tensor([1.0, 2.0, 4.0]))


def test_the_value_head_learns_and_can_be_left_alone():
    values = []
    for weight in (0.0, 1.0):
        vector, expert = corridors()
        model = model_for(vector)
        before = model.policy.value_net.weight.clone()
        settings = ImitationSettings(value_weight=weight, rollout_size=200, batch_size=40)
        told = imitate(model.policy, vector, expert, 3000, settings)
        values.append(told["value_loss"])
        assert torch.equal(before, model.policy.value_net.weight) == (weight == 0)
    assert values[1] < 0.02 < values[0]


def test_ppo_goes_on_from_there_with_a_fresh_optimiser():
    vector, expert = corridors()
    model = model_for(vector)
    told = imitate(model.policy, model.get_env(), expert, 3000, ImitationSettings(rollout_size=200, batch_size=40))
    assert told["agreement"] > 0.95 and not model.policy.optimizer.state
    model.learn(256)
    assert np.mean(model.ep_success_buffer) > 0.9


def test_actions_may_be_continuous():
    vector, expert = corridors(continuous=True)
    model = model_for(vector)
    told = []
    settings = ImitationSettings(rollout_size=200, batch_size=40)
    imitate(model.policy, vector, expert, 3000, settings, on_rollout=lambda _, row: told.append(row["loss"]) or True)
    assert told[-1] < 0.7 * told[0]


def test_the_heads_start_at_the_mean_so_that_the_perception_keeps_telling_states_apart():
    vector, expert = corridors()
    model = model_for(vector)
    imitator = Imitator(model.policy, vector, expert, 3000, ImitationSettings(rollout_size=200))
    rollout = imitator.collect()
    imitator._settle_heads(rollout)
    counts = torch.bincount(rollout.actions, minlength=2) + 1.0
    torch.testing.assert_close(model.policy.action_net.bias.detach().exp(), counts / counts.sum())
    assert model.policy.value_net.bias.item() == pytest.approx(rollout.returns.mean().item())


def test_the_same_seed_gives_the_same_policy_and_another_one_another():
    ends = []
    for seed in (1, 1, 2):
        vector, expert = corridors()
        model = model_for(vector)
        torch.manual_seed(0)
        imitate(model.policy, vector, expert, 600, ImitationSettings(rollout_size=200, batch_size=50), seed=seed)
        ends.append(torch.cat([part.flatten() for part in model.policy.parameters()]))
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_it_stops_when_asked():
    vector, expert = corridors(4)
    done = []
    imitate(model_for(vector).policy, vector, expert, 10**6, ImitationSettings(rollout_size=40), on_rollout=stop(done))
    assert done == [40, 80]
    imitator = Imitator(model_for(vector).policy, vector, expert, 10**6, ImitationSettings(rollout_size=40))
    assert imitator.collect(lambda dones, infos: imitator.done < 8) is None and imitator.done == 8


def stop(done):
    def note(steps, told):
        done.append(steps)
        return len(done) < 2

    return note


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0; got 0.0."),
        ({"batch_size": 0}, "`batch_size` must be at least 1; got 0."),
        ({"epochs": -1}, "`epochs` must be at least 1; got -1."),
        ({"expert_share": 1.5}, "`expert_share` must be in 0..1; got 1.5."),
        ({"value_weight": -1.0}, "`value_weight` must be at least 0; got -1.0."),
    ],
)
def test_a_setting_out_of_its_range_is_one_sentence(changes, message):
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(ImitationSettings(), **changes)
    assert str(caught.value) == message


def test_a_recurrent_policy_and_no_steps_are_refused():
    vector, expert = corridors()
    with pytest.raises(ConfigError, match="`steps` of imitation must be at least 1"):
        imitate(model_for(vector).policy, vector, expert, 0)
    recurrent = RecurrentPPO("MultiInputLstmPolicy", vector, device="cpu", **recurrent_ppo_settings(SPEC, CONFIG))
    with pytest.raises(ConfigError, match="needs a policy without memory"):
        imitate(recurrent.policy, vector, expert, 100)
