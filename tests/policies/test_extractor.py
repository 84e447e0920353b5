"""The extractor through SB3 and sb3-contrib themselves: perception must see what the environment sent."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN, PPO, SAC

from senseweave.perception import Camera, Grid, Instruction, Microphone, Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError, SpecError, UnknownNameError
from senseweave.perception.spec import PRESENT
from senseweave.policies.extractor import PerceptionExtractor

SPEC = Spec(
    audio=Microphone(2, 160, 8000),
    camera=Camera(16, 20),
    grid=Grid(4, 4, (256, 3)),
    instruction=Instruction(5, 1024),
    picture=Grid(5, 4, (256, 256, 256)),
    symbols=Grid(4, 4, (9, 6, 3)),
    touch=Vector(3),
)
"""`picture` looks like an RGB frame to SB3, `grid` does for its first channel alone, and `symbols` does not at all."""

CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
ALGORITHMS: dict[str, tuple[type, str, dict[str, Any]]] = {
    "PPO": (PPO, "MultiInputPolicy", {"n_steps": 24, "batch_size": 24, "n_epochs": 2}),
    "DQN": (DQN, "MultiInputPolicy", {"buffer_size": 100, "learning_starts": 20, "batch_size": 8}),
    "SAC": (SAC, "MultiInputPolicy", {"buffer_size": 100, "learning_starts": 30, "batch_size": 8}),
    "RecurrentPPO": (RecurrentPPO, "MultiInputLstmPolicy", {"n_steps": 24, "batch_size": 12, "n_epochs": 2}),
}
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def fingerprint(observation: dict[str, Any]) -> bytes:
    """All numbers of one observation in the types of the spec; a number that is not exact there changes it."""
    parts = []
    for name, box in SPEC.space().items():
        exact = np.asarray(observation[name], np.float64)
        kept = exact.astype(box.dtype)
        parts.append(kept.tobytes() if (kept == exact).all() else b"inexact" + exact.tobytes())
    return b"|".join(parts)


class Noise(gymnasium.Env):
    """Random readings of every sense, random masks, episodes of different lengths; it remembers what it sent."""

    def __init__(self, *, continuous: bool, spec: Spec = SPEC) -> None:
        self.spec_of_senses = spec
        self.observation_space = spec.space()
        self.action_space = spaces.Box(-1, 1, (2,), np.float32) if continuous else spaces.Discrete(3)
        self.sent: set[bytes] = set()
        self.numbers = np.random.default_rng(0)
        self.left = 0

    def observe(self) -> dict[str, np.ndarray]:
        sense = {name: kind.space().sample() for name, kind in self.spec_of_senses.items() if name != "touch"}
        sense["touch"] = self.numbers.normal(0, 3, 3).astype(np.float32)
        sense["audio"] = (self.numbers.integers(-32768, 32768, (2, 160)) / 32768).astype(np.float32)
        sense["camera"] = self.numbers.integers(0, 256, (16, 20, 3), np.uint8)
        sense[PRESENT] = self.numbers.integers(0, 2, len(self.spec_of_senses)).astype(np.int8)
        self.sent.add(fingerprint(sense))
        return sense

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.numbers.integers(2, 9))
        return self.observe(), {}

    def step(self, action):
        self.left -= 1
        return self.observe(), float(np.sum(action)), self.left == 0, False, {}


def build(algorithm: str, extractor: type = PerceptionExtractor, **policy: Any):
    """The algorithm on a new environment; both are returned."""
    kind, policy_name, settings = ALGORITHMS[algorithm]
    env = Noise(continuous=algorithm == "SAC")
    kwargs = {"features_extractor_class": extractor, "features_extractor_kwargs": {"spec": SPEC, "config": CONFIG}}
    if algorithm == "RecurrentPPO":
        kwargs["lstm_hidden_size"] = 8
    return kind(policy_name, env, seed=0, device="cpu", policy_kwargs=kwargs | policy, **settings), env


def extractors(model) -> list[PerceptionExtractor]:
    return [module for module in model.policy.modules() if isinstance(module, PerceptionExtractor)]


@every_algorithm
@pytest.mark.parametrize("normalize_images", [True, False])
def test_what_reaches_perception_is_what_the_environment_sent(algorithm, normalize_images):
    model, env = build(algorithm, normalize_images=normalize_images)
    caught: list[dict[str, torch.Tensor]] = []
    found = extractors(model)
    for extractor in found:
        extractor.perception.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    before = [parameter.clone() for parameter in found[0].parameters()]
    model.learn(48)
    rows = [
        {name: value[row].detach().numpy() for name, value in obs.items()}
        for obs in caught
        for row in range(len(obs[PRESENT]))
    ]
    padding = fingerprint(SPEC.placeholder())
    seen = {fingerprint(row) for row in rows}
    assert seen - {padding} <= env.sent and len(seen) > 40
    assert (padding in seen) == (algorithm == "RecurrentPPO")
    after = list(found[0].parameters())
    assert all(torch.isfinite(parameter).all() for extractor in found for parameter in extractor.parameters())
    assert any((one != other).any() for one, other in zip(before, after, strict=True))


@every_algorithm
def test_features_are_the_same_whether_sb3_divides_frames_or_not(algorithm):
    features = []
    for normalize_images in (True, False):
        model, env = build(algorithm, normalize_images=normalize_images)
        extractor = extractors(model)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            extractor.perception.load_state_dict(Perception(SPEC, CONFIG).state_dict())
        env.numbers = np.random.default_rng(7)
        for kind in SPEC.values():
            kind.space().seed(7)
        frames = [Noise.observe(env) for _ in range(3)]
        frames = [
            frame | {name: SPEC[name].space().high for name in ("grid", "symbols", "picture")} for frame in frames
        ]
        frames = [frame | {"instruction": np.arange(5, dtype=np.int32)} for frame in frames]
        batch = {key: np.stack([frame[key] for frame in frames]) for key in frames[0]}
        tensors, _ = model.policy.obs_to_tensor(batch)
        with torch.no_grad():
            features.append(model.policy.extract_features(tensors, extractor))
            direct = extractor.perception(extractor.perception.prepare(batch)).embedding
        assert torch.equal(features[-1], direct)
    assert torch.equal(features[0], features[1])


class Pretrained(PerceptionExtractor):
    """Starts with weights that must survive whatever SB3 does to a new policy."""

    def __init__(self, observation_space, spec, config, normalized_image=False):
        super().__init__(observation_space, spec, config, normalized_image)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.perception = Perception(spec, config)


@every_algorithm
def test_weights_survive_the_initialisation_of_the_policy(algorithm):
    model, _ = build(algorithm, Pretrained)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = Perception(SPEC, CONFIG).state_dict()
    found = extractors(model)
    assert found
    for extractor in found:
        assert all(torch.equal(value, expected[name]) for name, value in extractor.perception.state_dict().items())


def test_other_functions_can_still_be_applied():
    seen = []
    extractor = PerceptionExtractor(SPEC.space(), SPEC, CONFIG)
    assert extractor.apply(lambda module: seen.append(module)) is extractor
    assert extractor in seen and extractor.perception in seen


def test_padding_rows_have_finite_gradients_and_reach_no_encoder():
    model, _ = build("RecurrentPPO")
    extractor = extractors(model)[0]
    padding = {key: torch.zeros(4, *np.shape(value)) for key, value in SPEC.placeholder().items()}
    assert set(extractor.moved) == {"camera", "picture"}
    padding |= {name: padding[name].movedim(-1, 1) for name in extractor.moved}
    state = extractor.perceive(padding)
    state.embedding.square().sum().backward()
    gradients = [parameter.grad for parameter in extractor.parameters() if parameter.grad is not None]
    assert not state.present.any() and gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    encoders = [parameter.grad for parameter in extractor.perception.encoders.parameters()]
    assert not any(gradient.any() for gradient in encoders if gradient is not None)


def test_a_saved_model_of_sb3_predicts_the_same(tmp_path):
    model, env = build("PPO")
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", device="cpu")
    obs = env.observe()
    assert model.predict(obs, deterministic=True)[0] == loaded.predict(obs, deterministic=True)[0]
    pairs = zip(model.policy.parameters(), loaded.policy.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("config", "width"), [(None, 64), ("base", 128), ({"width": 32}, 32), (PerceptionConfig(width=16), 16)]
)
def test_a_config_may_be_none_a_name_json_or_itself(config, width):
    spec = Spec(touch=Vector(3))
    extractor = PerceptionExtractor(spec.space(), spec, config)
    assert extractor.perception.config.width == width
    assert extractor.features_dim == extractor.perception.config.state_dim


def test_the_spec_may_be_inferred_where_the_space_is_clear():
    spec = Spec(camera=Camera(16, 16), instruction=Instruction(5, 30), touch=Vector(3))
    assert PerceptionExtractor(spec.space(), config=CONFIG).perception.spec == spec


BAD = [
    (
        "another sense",
        SPEC,
        Spec(touch=Vector(3), nose=Vector(1)),
        CONFIG,
        SpecError,
        "must be the observation space's",
    ),
    ("another size", Spec(touch=Vector(3)), Spec(touch=Vector(4)), CONFIG, SpecError, r'"touch" is \(4,\) in the spec'),
    ("sound without a rate", SPEC, None, CONFIG, SpecError, "carries no sample rate"),
    ("a misspelt preset", SPEC, SPEC, "labtop", UnknownNameError, 'did you mean "laptop"'),
    ("a misspelt setting", SPEC, SPEC, {"widht": 3}, ConfigError, 'did you mean "width"'),
]


@pytest.mark.parametrize(
    ("space", "spec", "config", "error", "told"), [row[1:] for row in BAD], ids=[r[0] for r in BAD]
)
def test_what_does_not_fit_is_refused_in_one_sentence(space, spec, config, error, told):
    with pytest.raises(error, match=told):
        PerceptionExtractor(space.space(), spec, config)
