"""Presets: each builds its algorithm and learns, schedules go where they say, buffers fit a laptop's memory."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN, PPO, SAC

from senseweave.perception import Camera, Instruction, Microphone, PerceptionConfig, Spec, Vector
from senseweave.policies.presets import (
    DQNPreset,
    PPOPreset,
    SACPreset,
    dqn_settings,
    linear,
    ppo_settings,
    recurrent_ppo_settings,
    sac_settings,
)

SPEC = Spec(camera=Camera(16, 16), instruction=Instruction(5, 30), touch=Vector(2))
CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)


class Touch(gymnasium.Env):
    """Rewards the action whose number is felt: 0 or 1, or the felt number itself where actions are continuous."""

    def __init__(self, *, continuous: bool = False) -> None:
        self.observation_space = SPEC.space()
        self.action_space = spaces.Box(-1, 1, (1,), np.float32) if continuous else spaces.Discrete(2)
        self.side = 0

    def observe(self) -> dict[str, np.ndarray]:
        self.side = int(self.np_random.integers(2))
        felt = SPEC.placeholder() | {"present": SPEC.present("camera")}
        felt["touch"][self.side] = 1.0
        return felt

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observe(), {}

    def step(self, action):
        reward = -abs(float(action[0]) - self.side) if np.ndim(action) else float(action == self.side)
        return self.observe(), reward, True, False, {}


SMALL_PPO = PPOPreset(n_steps=32, batch_size=32)  # two rollouts: the learning rate of the last one is 0
BUILDS = {
    "ppo": (PPO, "MultiInputPolicy", ppo_settings(SPEC, CONFIG, SMALL_PPO)),
    "recurrent ppo": (RecurrentPPO, "MultiInputLstmPolicy", recurrent_ppo_settings(SPEC, CONFIG, SMALL_PPO)),
    "dqn": (DQN, "MultiInputPolicy", dqn_settings(SPEC, CONFIG, DQNPreset(buffer_size=200, learning_starts=30))),
    "sac": (SAC, "MultiInputPolicy", sac_settings(SPEC, CONFIG, SACPreset(buffer_size=200, learning_starts=50))),
}


@pytest.mark.parametrize("name", BUILDS)
def test_each_preset_builds_its_algorithm_and_learns(name):
    algorithm, policy, settings = BUILDS[name]
    model = algorithm(policy, Touch(continuous=name == "sac"), seed=0, device="cpu", **settings)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(64)
    after = list(model.policy.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any((one != other).any() for one, other in zip(before, after, strict=True))


def test_ppo_learns_what_it_feels():
    settings = ppo_settings(SPEC, CONFIG, PPOPreset(n_steps=64, batch_size=32, learning_rate=5e-3))
    model = PPO("MultiInputPolicy", Touch(), seed=0, device="cpu", **settings)
    model.learn(512)
    env = Touch()
    obs, _ = env.reset(seed=1)
    right = 0
    for _ in range(50):
        action, _ = model.predict(obs, deterministic=True)
        obs, reward, *_ = env.step(action)
        right += reward
    assert right >= 48


def test_linear_goes_from_its_start_to_its_end():
    schedule = linear(1e-3, 1e-4)
    assert [schedule(left) for left in (1.0, 0.5, 0.0, -0.2)] == pytest.approx([1e-3, 5.5e-4, 1e-4, 1e-4])
    assert linear(0.5)(0.0) == 0.0


@pytest.mark.parametrize("settings", [ppo_settings, recurrent_ppo_settings, dqn_settings, sac_settings])
def test_settings_keep_frames_as_they_are_and_carry_the_spec(settings):
    policy = settings(SPEC)["policy_kwargs"]
    assert policy["normalize_images"] is False
    assert policy["features_extractor_kwargs"]["spec"] == SPEC
    assert policy["features_extractor_kwargs"]["config"] == PerceptionConfig()


def test_two_calls_share_no_dictionary():
    one, other = ppo_settings(SPEC), ppo_settings(SPEC)
    one["policy_kwargs"]["features_extractor_kwargs"]["normalized_image"] = True
    assert "normalized_image" not in other["policy_kwargs"]["features_extractor_kwargs"]


@pytest.mark.parametrize("preset", [DQNPreset(), SACPreset()])
def test_a_replay_buffer_of_the_default_senses_stays_below_2_gb(preset):
    spec = Spec(audio=Microphone(2, 1600, 16000), camera=Camera(64, 64), instruction=Instruction(48, 1024))
    size = sum(np.zeros(box.shape, box.dtype).nbytes for box in spec.space().values())
    assert preset.buffer_size * 2 * size < 2e9


@pytest.mark.parametrize("preset", [PPOPreset, DQNPreset, SACPreset])
def test_presets_cannot_be_changed_by_accident(preset):
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset().learning_rate = 1.0
