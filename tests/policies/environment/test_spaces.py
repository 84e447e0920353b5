"""Actions of every shape are done as they were chosen, and observation spaces that somebody changed are refused."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from kit.worlds.scripted import JOINTS, RGB, TEXT, ScriptedWorld
from senseweave.envs import adapt
from senseweave.perception.errors import ConfigError, ObservationError, SpecError
from senseweave.perception.spec import Camera, Depth, Grid, Instruction, Microphone, Spec, Vector
from senseweave.policies import PPO, PerceptionExtractor
from senseweave.policies.environment.spaces import stacked_frames
from senseweave.policies.imitation import imitate

SMALL = {"config": {"width": 16, "latents": 2, "heads": 2, "state_dim": 8}}
SEES = spaces.Dict({"eye": spaces.Box(0, 255, (16, 16, 3), np.uint8), "joints": JOINTS, "words": TEXT})


def policy(**more: Any) -> dict[str, Any]:
    """Arguments of a policy; new ones each time, as stable-baselines3 writes into them."""
    own = {"features_extractor_class": PerceptionExtractor, "net_arch": [8], "normalize_images": False}
    return own | {"features_extractor_kwargs": dict(SMALL)} | more


def short(**more: Any) -> dict[str, Any]:
    return {"n_steps": 8, "batch_size": 8, "n_epochs": 1, "device": "cpu", "policy_kwargs": policy()} | more


def world(actions: spaces.Space[Any]) -> ScriptedWorld:
    return ScriptedWorld(spaces.Dict({"joints": JOINTS}), actions=actions, ends_after=3)


ACTIONS = [
    spaces.Box(-1, 1, (2, 3)),
    spaces.Box(-1, 1, ()),
    spaces.Box(np.array([[0.0], [5.0]], "f4"), np.array([[1.0], [6.0]], "f4")),
    spaces.Discrete(3, start=5),
    spaces.MultiDiscrete([[2, 2], [3, 2]], start=[[1, 1], [1, 1]]),
    spaces.MultiBinary((2, 2)),
    spaces.Box(0, 9, (2,), np.int32),
]


@pytest.mark.parametrize("actions", ACTIONS, ids=str)
@pytest.mark.parametrize("kind", [PPO, SB3PPO])
def test_every_action_that_is_done_is_in_its_space(actions: spaces.Space[Any], kind: Any) -> None:
    env = adapt(world(actions))
    own = {"workers": 1} if kind is PPO else {}
    model = kind("MultiInputPolicy", env, **short(), **own).learn(8)
    observation, _ = env.reset()
    for deterministic in (True, False):
        env.step(model.predict(observation, deterministic=deterministic)[0])
    assert len(env.unwrapped.taken) == 10
    assert all(actions.contains(action) for action in env.unwrapped.taken)


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_box_actions_of_two_axes_are_imitated_and_remembered(memory: str) -> None:
    env = adapt(world(spaces.Box(-1, 1, (2, 3))))
    model = PPO("MultiInputPolicy", env, **short(policy_kwargs=policy(memory=memory)), workers=1)
    wish = np.linspace(-1, 1, 6, dtype=np.float32).reshape(1, 2, 3)
    figures = imitate(model.policy, model.env, lambda: wish, 16)
    assert np.isfinite(figures["loss"])
    model.learn(8)
    assert all(action.shape == (2, 3) for action in env.unwrapped.taken)
    assert model.predict(env.reset()[0])[0].shape == (2, 3)


def test_box_actions_of_two_axes_work_without_senses() -> None:
    env = ScriptedWorld(JOINTS, actions=spaces.Box(-1, 1, (2, 3)))
    PPO("MlpPolicy", env, **short(policy_kwargs={"net_arch": [8]}), workers=1).learn(8)
    assert all(env.action_space.contains(action) for action in env.taken)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (ScriptedWorld(spaces.Dict({"words": TEXT})), '"words" of the observation is a Text.*adapt'),
        (ScriptedWorld(TEXT), "The observation is a Text.*adapt"),
        (ScriptedWorld(spaces.Dict({"a": spaces.Dict({"b": JOINTS})})), '"a" of the observation is a Dict.*adapt'),
        (ScriptedWorld(spaces.Tuple([JOINTS])), "The observation is a Tuple.*adapt"),
        (ScriptedWorld(JOINTS, actions=spaces.Discrete(3, start=5)), "do not count from 0, but from 5.*adapt"),
        (ScriptedWorld(JOINTS, actions=spaces.MultiDiscrete([2, 2], start=[1, 0])), "do not count from 0.*adapt"),
        (ScriptedWorld(JOINTS, actions=spaces.MultiBinary((2, 2))), "are not in one row.*adapt"),
        (ScriptedWorld(JOINTS, actions=spaces.Box(-np.inf, np.inf, (2,))), "have no limits.*adapt"),
        (ScriptedWorld(JOINTS, actions=spaces.Dict({"a": JOINTS})), "are a Dict, in which no policy can act.*adapt"),
    ],
)
def test_an_environment_that_was_not_adapted_is_refused_in_one_sentence(env: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        PPO("MlpPolicy", env, n_steps=8, batch_size=8)
    assert "\n" not in str(caught.value)


def extractor(space: Any, spec: Spec | None = None, **more: Any) -> PerceptionExtractor:
    return PerceptionExtractor(space, spec=spec, **SMALL, **more)


ADAPTED = adapt(ScriptedWorld(SEES))
SENSES: Spec = ADAPTED.get_wrapper_attr("senses")


def vector(*keys: str) -> VecNormalize:
    return VecNormalize(DummyVecEnv([lambda: adapt(ScriptedWorld(SEES))] * 2), norm_obs_keys=list(keys))


def test_a_camera_that_somebody_rescales_is_refused() -> None:
    space = vector("camera").observation_space
    with pytest.raises(
        SpecError, match=r'"camera" is float32 within -10\.\.10 .* uint8 within 0\.\.255.*"camera" out of'
    ):
        extractor(space, SENSES)
    floats = spaces.Dict({"eye": spaces.Box(0, 1, (16, 16, 3), np.float32), "joints": JOINTS})
    with pytest.raises(SpecError, match='"eye" is float32 within 0..1'):
        extractor(floats, Spec(eye=Camera(16, 16), joints=Vector(3)))
    moved = spaces.Dict({"eye": spaces.Box(0, 1, (3, 16, 16), np.float32)})
    with pytest.raises(SpecError, match='"eye" is float32 within 0..1'):
        extractor(moved, Spec(eye=Camera(16, 16)))


@pytest.mark.parametrize(
    ("kind", "box"),
    [
        (Instruction(6, 50), spaces.Box(0, 99, (6,), np.int64)),
        (Instruction(6, 50), spaces.Box(-10, 10, (6,), np.float32)),
        (Microphone(1, 80, 8000), spaces.Box(-32768, 32767, (1, 80), np.int16)),
        (Microphone(1, 80, 8000), spaces.Box(-10, 10, (1, 80), np.float32)),
        (Grid(3, 3, (4, 2)), spaces.Box(0, 1, (3, 3, 2), np.float32)),
        (Grid(3, 3, (4, 2)), spaces.Box(0, 3, (3, 3, 2), np.uint8)),
        (Depth(16, 16, 5.0), spaces.Box(0, 255, (16, 16), np.float32)),
    ],
    ids=str,
)
def test_numbers_of_another_scale_than_the_kinds_are_refused(kind: Any, box: spaces.Box) -> None:
    with pytest.raises(SpecError, match='"sense" is .* somebody rescales it') as caught:
        extractor(spaces.Dict({"sense": box}), Spec(sense=kind))
    assert "\n" not in str(caught.value)
    extractor(spaces.Dict({"sense": kind.space()}), Spec(sense=kind))


def test_vectors_may_be_rescaled() -> None:
    for box in (JOINTS, spaces.Box(-10, 10, (3,)), spaces.Box(-9, 9, (3,), np.float64), spaces.Box(0, 9, (3,), int)):
        extractor(spaces.Dict({"joints": box}), Spec(joints=Vector(3)))


def observation(**changed: Any) -> dict[str, torch.Tensor]:
    whole = {name: torch.as_tensor(part)[None].float() for name, part in ADAPTED.reset()[0].items()}
    return whole | changed


@pytest.mark.parametrize("tokens", [torch.full((1, 48), 0.37), torch.full((1, 48), -1.0), torch.full((1, 48), 1024.0)])
def test_tokens_that_somebody_rescaled_are_seen(tokens: torch.Tensor) -> None:
    perceives = extractor(SENSES.space(), SENSES, normalized_image=True)
    with pytest.raises(ObservationError, match='"instruction" must hold whole numbers within 0..1023.*rescales'):
        perceives(observation(instruction=tokens))
    absent = observation(instruction=tokens, present=torch.tensor([[1, 0, 1]]))
    perceives = extractor(SENSES.space(), SENSES, normalized_image=True)
    for _ in range(8):
        perceives(absent)
    perceives(observation(instruction=torch.full((1, 48), torch.nan)))


def test_tokens_that_are_rescaled_later_are_seen_too() -> None:
    perceives = extractor(SENSES.space(), SENSES, normalized_image=True)
    perceives(observation())
    with pytest.raises(ObservationError, match="not all of them whole"):
        for _ in range(8):
            perceives(observation(instruction=torch.full((1, 48), 0.5)))


def test_sb3s_ppo_sees_that_tokens_are_rescaled() -> None:
    texts = [
        {"eye": np.zeros((16, 16, 3), np.uint8), "joints": np.zeros(3, "f4"), "words": text} for text in "abcdefgh"
    ]
    env = VecNormalize(DummyVecEnv([lambda: adapt(ScriptedWorld(SEES, *texts))] * 2), norm_obs_keys=["instruction"])
    kwargs = policy(features_extractor_kwargs=SMALL | {"spec": SENSES})
    with pytest.raises(ObservationError, match="somebody rescales it"):
        SB3PPO("MultiInputPolicy", env, **short(policy_kwargs=kwargs)).learn(16)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["instruction"], r'"instruction" is of the kind Instruction.*norm_obs=False'),
        (["instruction", "joints"], r"norm_obs_keys=\['joints'\]"),
    ],
)
def test_our_ppo_refuses_it_before_it_trains(names: list[str], words: str) -> None:
    env, kwargs = vector(*names), policy(features_extractor_kwargs=SMALL | {"spec": SENSES})
    with pytest.raises(ConfigError, match=words):
        PPO("MultiInputPolicy", env, **short(policy_kwargs=kwargs))


@pytest.mark.parametrize(
    ("one", "several", "frames"),
    [
        ((16, 16, 3), (4, 16, 16, 3), 4),
        ((16, 16, 3), (16, 16, 12), 4),
        ((16, 16, 3), (12, 16, 16), 4),
        ((16, 16, 3), (16, 16, 3), None),
        ((16, 16, 3), (16, 32, 3), None),
        ((3,), (12,), 4),
        ((3,), (4, 3), 4),
        ((3,), (7,), None),
        ((2, 80), (8, 80), 4),
    ],
)
def test_stacks_are_told_by_their_shape(one: tuple, several: tuple, frames: int | None) -> None:
    assert stacked_frames(one, several) == frames


def test_stacked_observations_are_refused_or_read_as_longer_vectors() -> None:
    plain = spaces.Dict({"eye": RGB, "joints": JOINTS})
    stacked = VecFrameStack(DummyVecEnv([lambda: ScriptedWorld(plain)]), 4).observation_space
    senses = Spec(eye=Camera(24, 32), joints=Vector(3))
    with pytest.raises(SpecError, match='"eye" is 4 stacked readings.*--memory gru'):
        extractor(stacked, senses)
    with pytest.raises(SpecError, match="neither RGB frames nor a Grid.*pass the senses, features_extractor_kwargs"):
        extractor(stacked)
    rows = VecFrameStack(DummyVecEnv([lambda: ScriptedWorld(spaces.Dict({"joints": JOINTS}))]), 4).observation_space
    assert extractor(rows).perception.spec == Spec(joints=Vector(12))
    with pytest.raises(SpecError, match='"joints" is 4 stacked readings'):
        extractor(rows, Spec(joints=Vector(3)))
    gymnasiums = gym.wrappers.FrameStackObservation(ScriptedWorld(plain), 4).observation_space
    with pytest.raises(SpecError, match='"eye" is 4 stacked readings'):
        extractor(gymnasiums, senses)
    with pytest.raises(SpecError, match='"present" must have one entry for each of the 3 senses'):
        extractor(spaces.Dict({**SENSES.space().spaces, "present": spaces.MultiBinary(12)}), SENSES)


def test_mistakes_of_a_person_are_one_sentence() -> None:
    with pytest.raises(SpecError, match=r"must be a spaces.Dict; got Box.*adapt\(env\)\.$"):
        extractor(JOINTS, SENSES)
    wide = spaces.Dict({"image": spaces.Box(0, 255, (7, 7, 3), np.uint8)})
    with pytest.raises(SpecError, match="pass the senses, features_extractor_kwargs") as caught:
        extractor(wide)
    assert "from_space" not in str(caught.value)
    with pytest.raises(SpecError, match="pass the senses, features_extractor_kwargs") as caught:
        extractor(spaces.Dict({"wave": spaces.Box(-1, 1, (2, 80))}))
    assert "from_space" not in str(caught.value)


@pytest.mark.parametrize("kind", [PPO, SB3PPO])
@pytest.mark.parametrize("gone", [("camera",), ("joints",), ("instruction",), ("camera", "joints")])
def test_a_sense_that_predict_is_not_given_is_absent(kind: Any, gone: tuple[str, ...]) -> None:
    model = sighted(kind)
    whole, _ = adapt(ScriptedWorld(SEES)).reset()
    less = {name: part for name, part in whole.items() if name not in gone}
    zero = whole | {"present": SENSES.present(*gone)}
    for _ in range(3):
        expected = model.predict(zero, deterministic=True)[0]
        assert np.array_equal(model.predict(less | {"present": zero["present"]}, deterministic=True)[0], expected)
        without_mask = {name: part for name, part in less.items() if name != "present"}
        assert np.array_equal(model.predict(without_mask, deterministic=True)[0], expected)
    if kind is PPO:
        assert np.array_equal(model.predict(less | dict.fromkeys(gone), deterministic=True)[0], expected)


MODELS: dict[Any, Any] = {}


def sighted(kind: Any) -> Any:
    """A model with continuous actions, so that a difference shows; SB3's divides frames by 255."""
    if kind not in MODELS:
        env = adapt(ScriptedWorld(SEES, actions=spaces.Box(-1, 1, (2,))))
        MODELS[kind] = kind("MultiInputPolicy", env, **short(policy_kwargs=policy(normalize_images=kind is SB3PPO)))
    return MODELS[kind]
