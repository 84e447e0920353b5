"""What a foreign environment gives is looked at: types and texts at every step, ranges and rewards at the first."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from kit.worlds.scripted import JOINTS, RGB, TEXT, ScriptedWorld
from senseweave.envs import adapt
from senseweave.perception.errors import ObservationError, SpecError
from senseweave.perception.tokenizer import default_tokenizer

PCM = spaces.Box(-32768, 32767, (800,), np.int16)
IDS = spaces.Box(0, 49, (4,), np.int64)
CELLS = spaces.Box(0, 4, (5, 5, 1), np.uint8)


def first_look(space: spaces.Space[Any], value: Any, **options: Any) -> dict[str, np.ndarray]:
    env = adapt(ScriptedWorld(space, value), **options)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    return observation


@pytest.mark.parametrize(
    ("space", "value", "words"),
    [
        (RGB, np.full(RGB.shape, 0.5), "must be uint8, as its space says; got float64"),
        (RGB, np.full(RGB.shape, np.nan, np.float32), "must be uint8.*got float32"),
        (RGB, np.full(RGB.shape, 300), "must be uint8.*got int64"),
        (RGB, np.full(RGB.shape, -1, np.int16), "must be uint8.*got int16"),
        (RGB, np.ones(RGB.shape, bool), "must be uint8.*got bool"),
        (RGB, b"jpeg", "must be real numbers.*got bytes"),
        (RGB, "picture", "must be real numbers.*got str"),
        (JOINTS, ["a", "b", "c"], "must be real numbers.*got list"),
        (JOINTS, [1.0, [2.0], 3.0], "must be real numbers.*got list"),
        (JOINTS, np.ones(3, complex), "must be real numbers.*got ndarray"),
        (JOINTS, {"x": 1.0}, "must be real numbers.*got dict"),
        (PCM, np.ones(800, np.float32), "must be int16.*got float32"),
        (PCM, np.ones(800, np.int32), "must be int16.*got int32"),
        (IDS, np.array([1, 2, 50, 0]), r"within 0\.\.49.*got 0\.\.50"),
        (IDS, np.array([1, -1, 0, 0]), r"within 0\.\.49.*got -1\.\.1"),
        (IDS, np.array([1.0, 2.0, 0.0, 0.0]), "must be int64.*got float64"),
        (CELLS, np.full(CELLS.shape, 5, np.uint8), r"within 0\.\.4.*got 5\.\.5"),
        (CELLS, np.full(CELLS.shape, 1.5), "must be int64.*got float64"),
        (spaces.MultiBinary(2), np.array([0, 2]), r"within 0\.\.1"),
        (spaces.Discrete(3), 1.5, "outside its space: got 1.5"),
        (spaces.Discrete(3), "1", "outside its space: got '1'"),
        (spaces.Discrete(3, start=2), 1, "outside its space"),
        (spaces.Box(0, 1, (16, 16, 3), np.float32), np.full((16, 16, 3), 200.0), r"within 0\.\.1.*got 200"),
        (spaces.Box(0, 1, (16, 16, 3), np.float32), np.full((16, 16, 3), 200, np.uint8), "must be float32.*got uint8"),
        (TEXT, b"go to the ball", r"one string; got bytes.*text\.decode\(\)"),
        (TEXT, np.bytes_(b"go"), "one string; got bytes"),
        (TEXT, ["go", "to"], "one string; got list"),
        (TEXT, 7, "one string; got int"),
        (TEXT, np.array(["a", "b"]), "one string; got ndarray"),
    ],
)
@pytest.mark.parametrize("when", ["reset", "step"])
def test_a_value_of_another_form_is_refused_at_reset_and_at_each_step(
    space: spaces.Space[Any], value: Any, words: str, when: str
) -> None:
    good = "go" if space is TEXT else np.full(space.shape, 2 if isinstance(space, spaces.Discrete) else 0, space.dtype)
    before = [] if when == "reset" else [good, good, good]
    if isinstance(space, spaces.Box) and space.high.max() == 1 and "within" in words and when == "step":
        before = before[:1]  # the range of floats is looked at with the first step alone
    options = {"sample_rate_hz": 8000} | ({"instruction": "observation"} if space is IDS else {})
    env = adapt(ScriptedWorld(space, *before, value), **options)

    def play() -> None:
        env.reset()
        for _ in before:
            env.step(0)

    with pytest.raises(ObservationError, match=words) as caught:
        play()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["go to the ball", np.str_("go to the ball"), np.array("go to the ball"), ["go to the ball"], ("go to the ball",)]
    + [np.array(["go to the ball"]), np.array(["go to the ball"], object)],
)
def test_a_text_is_read_whatever_its_form(text: Any) -> None:
    env = adapt(ScriptedWorld(TEXT, text))
    observation, info = env.reset()
    assert observation["instruction"].tolist() == default_tokenizer().encode("go to the ball", 48)[0].tolist()
    assert type(info["instruction_text"]) is str and info["instruction_text"] == "go to the ball"
    assert observation["present"].tolist() == [1]


@pytest.mark.parametrize("text", [None, [None], np.array(None, object)])
def test_a_text_that_is_none_is_absent_and_not_the_word_none(text: Any) -> None:
    observation = first_look(TEXT, text)
    assert observation["present"].tolist() == [0] and not observation["instruction"].any()


def test_numbers_of_any_type_are_numbers() -> None:
    for value in (
        [0, 1, 0],
        (0.0, 1.0, 0.0),
        np.array([0, 1, 0]),
        np.array([0, 1, 0], bool),
        np.array([0, 1, 0], "f8"),
    ):
        assert first_look(JOINTS, value)["vector"].tolist() == [0.0, 1.0, 0.0]
    huge = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    assert np.isinf(first_look(huge, np.array([1e300]))["vector"]).all(), "absent, as float32 cannot hold it"


def test_numbers_beyond_their_limits_are_told_once_and_passed_on() -> None:
    env = adapt(ScriptedWorld(JOINTS, np.array([0.0, 5.0, 0.0], np.float32)))
    with pytest.warns(UserWarning, match='"observation" goes beyond the limits'):
        assert env.reset()[0]["vector"].tolist() == [0.0, 5.0, 0.0]


def test_whole_numbers_that_fit_into_the_declared_ones_are_taken() -> None:
    assert first_look(IDS, np.array([1, 49, 0, 0], np.int16), instruction="observation")["instruction"][1] == 49
    assert first_look(CELLS, np.full(CELLS.shape, 4))["grid"].max() == 4


@pytest.mark.parametrize("scale", [32768.0, 32767.0])
def test_16_bit_samples_as_floats_are_scaled_where_the_space_says_so(scale: float) -> None:
    space = spaces.Box(-32768, scale, (800,), np.float32)
    audio = first_look(space, np.full(800, 12000.0, np.float32), audio="observation", sample_rate_hz=8000)["audio"]
    assert audio.tolist() == [[12000 / 32768] * 800]


@pytest.mark.parametrize("limits", [(-1.0, 1.0), (-np.inf, np.inf)])
def test_16_bit_samples_as_floats_are_refused_where_it_does_not(limits: tuple[float, float]) -> None:
    space = spaces.Box(*limits, (800,), np.float32)
    with pytest.raises(ObservationError, match="got samples up to 12000. Divide 16-bit samples by 32768"):
        first_look(space, np.full(800, 12000.0, np.float32), audio="observation", sample_rate_hz=8000)
    loud = first_look(space, np.full(800, 1.2, np.float32), audio="observation", sample_rate_hz=8000)
    assert loud["audio"].max() == 1.0, "what is a little too loud is cut off"


def test_sound_of_an_unknown_scale_is_refused_when_it_is_adapted() -> None:
    with pytest.raises(SpecError, match=r"within -9\.\.9.*declare -1\.\.1"):
        adapt(ScriptedWorld(spaces.Box(-9, 9, (800,))), audio="observation", sample_rate_hz=8000)


class OldGym(gym.Env[Any, Any]):
    observation_space, action_space = JOINTS, spaces.Discrete(2)

    def reset(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return np.zeros(3, np.float32)

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), 0.0, False, {}


class HalfNew(OldGym):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return np.zeros(3, np.float32), {}


class BareReset(HalfNew):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return np.zeros(3, np.float32)


def test_the_old_gyms_interface_is_told_in_one_sentence() -> None:
    with pytest.raises(SpecError, match=r"OldGym.reset takes no seed and no options, as in the old Gym; .*info\)\.$"):
        adapt(OldGym())
    env = adapt(HalfNew())
    env.reset(seed=1)
    with pytest.raises(ObservationError, match=r"step must return \(observation, .*got a tuple of 4.*Gymnasium"):
        env.step(0)
    with pytest.raises(ObservationError, match=r"reset must return \(observation, info\); got an array of float32"):
        adapt(BareReset()).reset()


@pytest.mark.parametrize("reward", [1, 1.0, np.float32(1), np.array([1.0]), np.array(1), np.array([[1]]), True])
def test_a_reward_is_a_number_in_whatever_form(reward: Any) -> None:
    env = adapt(ScriptedWorld(JOINTS, reward=reward))
    env.reset()
    told = env.step(0)[1]
    assert type(told) is float and told == 1.0


@pytest.mark.parametrize(
    ("reward", "words"),
    [
        (None, "one real number; got None"),
        ("1", "one real number; got str"),
        (np.ones(2), r"one real number; got an array of float64 and shape \(2,\)"),
        ({"a": 1}, "one real number; got dict"),
        (1j, "one real number; got complex"),
        (np.nan, "finite number; got nan"),
        (np.float32(np.inf), "finite number; got inf"),
    ],
)
def test_a_reward_that_is_no_finite_number_is_refused(reward: Any, words: str) -> None:
    env = adapt(ScriptedWorld(JOINTS, reward=reward))
    env.reset()
    with pytest.raises(ObservationError, match=words) as caught:
        env.step(0)
    assert "\n" not in str(caught.value)


def test_ends_are_true_or_false() -> None:
    class Odd(ScriptedWorld):
        def step(self, action: Any) -> Any:
            observation, reward, *_, info = super().step(action)
            return observation, reward, self.end, np.array([False]), info

    env = adapt(world := Odd(JOINTS))
    env.reset()
    world.end = np.bool_(True)
    assert env.step(0)[2:4] == (True, False)
    world.end = {"__all__": True}
    with pytest.raises(ObservationError, match="terminated must be true or false; got dict"):
        env.step(0)


@pytest.mark.parametrize(
    ("told", "success"),
    [(True, True), (0, False), (np.bool_(True), True), (np.array([1.0]), True), (None, None), ("yes", None)],
)
def test_success_is_told_as_is_success(told: Any, success: bool | None) -> None:
    env = adapt(ScriptedWorld(JOINTS, info={"success": told}))
    env.reset()
    assert env.step(0)[4].get("is_success") is success


def test_is_success_of_the_environment_itself_stays() -> None:
    env = adapt(ScriptedWorld(JOINTS, info={"success": True, "is_success": False}))
    env.reset()
    assert env.step(0)[4]["is_success"] is False
