"""What `Perception.prepare` made is perceived by a policy, however its environment lays pictures out."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import Camera, Microphone, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError, SpecError
from senseweave.policies import PPO, PerceptionExtractor
from senseweave.policies.presets import policy_settings

SMALL = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
SPEC = Spec(camera=Camera(36, 48), touch=Vector(3))


class Seen(gymnasium.Env):
    observation_space, action_space = SPEC.space(), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def _look(self):
        return {
            "camera": np.full((36, 48, 3), 9, np.uint8),
            "touch": np.ones(3, np.float32),
            "present": np.ones(2, np.int8),
        }

    def step(self, action):
        return self._look(), 1.0, False, True, {}


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_perceiving_and_preparing_compose_where_sb3_moved_the_channels(memory):
    kwargs = policy_settings(SPEC, SMALL) | {"memory": memory}
    policy = PPO("MultiInputPolicy", Seen(), policy_kwargs=kwargs, n_steps=8, batch_size=8, device="cpu").policy
    assert policy.moved == ["camera"]
    raw = {"camera": np.random.default_rng(0).integers(0, 255, (36, 48, 3), np.uint8), "touch": np.ones(3, np.float32)}
    prepared = policy.perception.prepare(raw)
    found = policy.perceive(prepared).embedding
    assert torch.equal(found, policy.perception(prepared).embedding)
    moved = {"camera": prepared["camera"].movedim(-1, 1), "touch": prepared["touch"], "present": prepared["present"]}
    assert torch.equal(found, policy.perceive(moved).embedding)
    absent = policy.perceive(policy.perception.prepare({"touch": raw["touch"]})).embedding
    assert not torch.equal(found, absent)


def test_they_compose_for_rooms_with_sound_too():
    env = RoomsVectorEnv("GoToObj", 2, "cpu")
    policy = PPO(
        "MultiInputPolicy", env, policy_kwargs=policy_settings(env.senses, SMALL), n_steps=8, batch_size=8
    ).policy
    observation, infos = env.reset(seed=0)
    prepared = policy.perception.prepare(observation | {"instruction": list(infos["instruction_text"])})
    assert torch.equal(policy.perceive(prepared).embedding, policy.perceive(observation).embedding)


def test_the_extractor_infers_a_space_with_sound_when_it_is_told_the_rate():
    space = spaces.Dict(audio=spaces.Box(-1, 1, (2, 800), np.float32), touch=spaces.Box(-1, 1, (3,)))
    extractor = PerceptionExtractor(space, config=SMALL, sample_rate_hz=8000)
    assert extractor.perception.spec["audio"] == Microphone(2, 800, 8000)
    with pytest.raises(SpecError):
        PerceptionExtractor(space, config=SMALL)
    spec = Spec(audio=Microphone(2, 800, 16000), touch=Vector(3))
    assert PerceptionExtractor(space, spec, SMALL, sample_rate_hz=16000).perception.spec == spec
    with pytest.raises(ConfigError, match='`sample_rate_hz` must be that of "audio" in the spec, 16000; got 8000'):
        PerceptionExtractor(space, spec, SMALL, sample_rate_hz=8000)
