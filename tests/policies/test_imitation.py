"""Imitation: a policy learns from an expert in the states that it meets itself."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from senseweave import policies
from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError
from senseweave.policies.imitation import ImitationSettings, Imitator, imitate
from senseweave.policies.policy import SensePolicy
from senseweave.policies.ppo.workers import Workers
from senseweave.policies.presets import PPOPreset, ppo_settings

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
    return PPO(SensePolicy, vector, seed=0, device="cpu", **kwargs)


def test_a_policy_learns_a_level_of_babyai_and_solves_seeds_that_it_never_saw():
    options = {"level": "GoToObj", "senses": ("grid", "instruction"), "device": "cpu"}
    env = RoomsVectorEnv(num_envs=32, **options)
    model = model_for(RoomsSB3VecEnv(num_envs=32, **options), env.senses)
    env.reset(seed=0)
    settings = ImitationSettings(rollout_size=256, batch_size=32, epochs=2)
    before = solved(model.policy, options)
    imitate(model.policy, env, None, 6000, settings, seed=1)  # the environment's own expert
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
        moved = np.diff(rollout.observations()["touch"][..., 1], axis=0)  # t b
        stayed = np.abs(moved) < 0.3  # no new episode
        agreements.append(np.mean(((moved > 0) == rollout.actions[:-1].numpy())[stayed]))
    assert shares == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0, 0])
    assert agreements[0] == 1 and 0.25 < np.mean(agreements[5:]) < 0.75


def test_the_expert_may_keep_a_part_of_the_steps():
    vector, expert = corridors(4)
    settings = ImitationSettings(rollout_size=40, expert_share=0.5, last_expert_share=0.6)
    imitator = Imitator(model_for(vector).policy, vector, expert, 400, settings)
    shares = []
    for imitator.done in range(0, 400, 40):
        shares.append(imitator.expert_share)
    assert shares == pytest.approx([1, 0.92, 0.84, 0.76, 0.68, 0.6, 0.6, 0.6, 0.6, 0.6])


@pytest.mark.parametrize(
    ("number", "noise", "least", "most"), [(16, 0, 1, 1), (16, 0.5, 0.65, 0.85), (16, 1, 0.4, 0.6), (1, 1, 0.4, 0.7)]
)
def test_a_disturbed_expert_does_what_it_wants_elsewhere_and_its_wish_is_what_is_learned(number, noise, least, most):
    vector, expert = corridors(number)
    settings = ImitationSettings(rollout_size=1600, last_expert_share=1.0, expert_noise=noise)
    rollout = Imitator(model_for(vector, n_steps=32).policy, vector, expert, 1600, settings).collect()
    felt = rollout.observations()["touch"]
    assert torch.equal(rollout.actions, (felt[..., 0] > 0).long())
    moved = torch.diff(felt[..., 1], dim=0)  # t b
    stayed = moved.abs() < 0.3  # no new episode
    as_wished = ((moved > 0) == rollout.actions[:-1].bool())[stayed].float().mean()
    assert least <= as_wished <= most  # of two sides, an expert elsewhere wants the same one half of the time


def test_every_state_is_labelled_with_what_the_expert_would_do_there():
    vector, expert = corridors(4)
    settings = ImitationSettings(rollout_size=60, expert_share=0.0)
    rollout = Imitator(model_for(vector).policy, vector, expert, 600, settings).collect()
    assert rollout.actions.shape == (15, 4)
    sides = (rollout.observations()["touch"][..., 0] > 0).long()
    assert torch.equal(rollout.actions, sides)


def test_returns_are_discounted_and_end_with_their_episode():
    """The expert alone needs five steps; the reward comes with the last one."""
    vector, expert = corridors(2)
    settings = ImitationSettings(rollout_size=20, expert_share=1.0, gamma=0.5)
    imitator = Imitator(model_for(vector).policy, vector, expert, 10**6, settings)
    returns = imitator.collect().returns
    expected = torch.tensor([0.5**4, 0.5**3, 0.25, 0.5, 1.0] * 2)
    torch.testing.assert_close(returns, torch.stack([expected, expected], dim=1))


def test_what_follows_a_rollout_is_what_the_value_head_expects():
    vector, expert = corridors(2)
    policy = model_for(vector).policy
    torch.nn.init.zeros_(policy.value_net.weight)
    torch.nn.init.constant_(policy.value_net.bias, 8.0)
    settings = ImitationSettings(rollout_size=6, expert_share=1.0, gamma=0.5)
    returns = Imitator(policy, vector, expert, 10**6, settings).collect().returns
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
    imitator._settle_heads()
    counts = torch.bincount(rollout.actions.flatten(), minlength=2) + 1.0
    torch.testing.assert_close(model.policy.action_net.bias.detach().exp(), counts / counts.sum())
    assert model.policy.value_net.bias.item() == pytest.approx(rollout.returns.mean().item())


def test_heads_that_have_learned_before_do_not_start_anew():
    vector, expert = corridors()
    model = model_for(vector)
    imitate(model.policy, vector, expert, 800, ImitationSettings(rollout_size=200, batch_size=50))
    before = [head.bias.detach().clone() for head in (model.policy.action_net, model.policy.value_net)]
    imitator = Imitator(model.policy, vector, expert, 200, ImitationSettings(rollout_size=200, learning_rate=1e-9))
    imitator.collect()
    imitator.learn()
    for head, bias in zip((model.policy.action_net, model.policy.value_net), before, strict=True):
        torch.testing.assert_close(head.bias.detach(), bias, rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_policy_and_another_one_another():
    ends = []
    for seed in (1, 1, 2):
        vector, expert = corridors()
        model = model_for(vector)
        torch.manual_seed(0)
        imitate(model.policy, vector, expert, 600, ImitationSettings(rollout_size=200, batch_size=50), seed=seed)
        ends.append(torch.cat([part.flatten() for part in model.policy.parameters()]))
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_processes_share_rollouts_and_minibatches(monkeypatch):
    vector, expert = corridors(8)
    settings = ImitationSettings(rollout_size=320, batch_size=64)
    sizes, losses_of = [], Imitator._losses_of
    for processes in (1, 2):
        monkeypatch.setattr("senseweave.policies.imitation.world_size", lambda processes=processes: processes)
        imitator = Imitator(model_for(vector).policy, vector, expert, 640, settings)
        imitator.collect()
        divided = []
        monkeypatch.setattr(
            Imitator, "_losses_of", lambda self, rows, to=divided: to.append(len(rows)) or losses_of(self, rows)
        )
        imitator.learn()
        sizes.append((imitator.rollout.steps, divided))
    assert sizes == [(40, [64] * 5), (20, [32] * 5)]


def test_it_stops_when_asked():
    vector, expert = corridors(4)
    done = []
    imitate(model_for(vector).policy, vector, expert, 10**6, ImitationSettings(rollout_size=40), on_rollout=stop(done))
    assert done == [40, 80]
    imitator = Imitator(model_for(vector).policy, vector, expert, 10**6, ImitationSettings(rollout_size=40))
    assert imitator.collect(lambda outcome: imitator.done < 8) is None and imitator.done == 8


def stop(done):
    def note(steps, told):
        done.append(steps)
        return len(done) < 2

    return note


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0; got 0.0."),
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1; got 0."),
        ({"epochs": -1}, "`epochs` must be a whole number of at least 1; got -1."),
        ({"expert_share": 1.5}, "`expert_share` must be in 0..1; got 1.5."),
        ({"expert_noise": 2}, "`expert_noise` must be in 0..1; got 2."),
        ({"last_expert_share": -0.1}, "`last_expert_share` must be in 0..1; got -0.1."),
        ({"value_weight": -1.0}, "`value_weight` must be at least 0; got -1.0."),
    ],
)
def test_a_setting_out_of_its_range_is_one_sentence(changes, message):
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(ImitationSettings(), **changes)
    assert str(caught.value) == message


def test_other_policies_no_expert_and_no_steps_are_refused():
    vector, expert = corridors()
    with pytest.raises(ConfigError, match="`steps` of imitation must be a whole number of at least 1"):
        imitate(model_for(vector).policy, vector, expert, 0)
    with pytest.raises(ConfigError, match="has no expert of its own; give one"):
        imitate(model_for(vector).policy, vector, None, 100)
    other = PPO("MultiInputPolicy", vector, device="cpu", **ppo_settings(SPEC, CONFIG, PPOPreset(n_steps=32)))
    with pytest.raises(ConfigError, match="needs a SensePolicy; got MultiInputActorCriticPolicy"):
        imitate(other.policy, vector, expert, 100)


def test_continuous_actions_stay_within_their_limits():
    vector, expert = corridors(continuous=True)
    model = model_for(vector)
    with torch.no_grad():
        model.policy.log_std.fill_(2.0)
    done, step = [], Corridor.step
    for env in vector.envs:
        env.step = lambda action, env=env: done.append(action) or step(env, action)
    settings = ImitationSettings(rollout_size=80, expert_share=0.0)
    Imitator(model.policy, vector, expert, 400, settings).collect()
    assert len(done) == 80 and np.abs(done).max() == 1.0


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_dividing_the_work_among_threads_changes_no_gradient(memory):
    """Beside the on-device PPO, whose policy may remember."""
    made = []
    for count in (1, 3):
        vector, expert = corridors(16)
        kwargs = ppo_settings(SPEC, CONFIG, PPOPreset(n_steps=16, batch_size=128))
        kwargs["policy_kwargs"] |= {"memory": memory}
        policy = policies.PPO("MultiInputPolicy", vector, seed=0, device="cpu", **kwargs).policy
        settings = ImitationSettings(rollout_size=160, batch_size=160)
        imitator = Imitator(policy, vector, expert, 400, settings, workers=Workers(count))
        torch.manual_seed(0)
        imitator.collect()
        imitator.learn()
        made.append([part.grad.clone() for part in policy.parameters() if part.grad is not None])
    for own, expected in zip(*made, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5)


def test_where_the_expert_acts_alone_nothing_is_drawn():
    vector, expert = corridors(4)
    imitator = Imitator(model_for(vector).policy, vector, expert, 400, ImitationSettings(rollout_size=40))
    torch.manual_seed(7)
    imitator.collect()
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))
