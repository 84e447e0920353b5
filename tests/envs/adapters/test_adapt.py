"""Any Gymnasium environment through `adapt`: what is read as which sense, how values are converted, what is refused."""

import builtins
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from senseweave.envs import adapt, make_babyai
from senseweave.perception.errors import ConfigError, MissingExtraError, ObservationError, SpecError
from senseweave.perception.spec import Camera, Grid, Instruction, Microphone, Spec, Vector
from senseweave.perception.tokenizer import default_tokenizer

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*A Box observation space m.*value is -?infinity.*:UserWarning"),
]

TEXT = spaces.Text(64, charset="abcdefghijklmnopqrstuvwxyz :")
RGB = spaces.Box(0, 255, (24, 32, 3), np.uint8)
WAVE = spaces.Box(-1, 1, (2, 800))
BYTES = spaces.Box(0, 255, (512,), np.uint8)
PCM = spaces.Box(-32768, 32767, (1260, 2), np.int16)


class Scripted(gym.Env[Any, Any]):
    """Emits given observations, one a step, in a given space; the last one again and again."""

    action_space = spaces.Discrete(3)

    def __init__(self, space: spaces.Space[Any], *observations: Any) -> None:
        self.observation_space = space
        self.observations = observations

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.step_count = 0
        return self._observe(), {"own": 1}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.step_count += 1
        return self._observe(), 0.5, False, False, {"own": 1}

    def _observe(self) -> Any:
        if not self.observations:
            return self.observation_space.sample()
        return self.observations[min(self.step_count, len(self.observations) - 1)]


def read(space: spaces.Space[Any], value: Any, **options: Any) -> dict[str, np.ndarray]:
    """One observation of an environment with that space."""
    env = adapt(Scripted(space, value), **options)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    return observation


def spec_of(space: spaces.Space[Any], **options: Any) -> Spec:
    return adapt(Scripted(space), **options).get_wrapper_attr("senses")


def test_camera_sound_and_text_become_the_contract() -> None:
    space = spaces.Dict({"screen": RGB, "sound": PCM, "notifications": TEXT, "heading": spaces.Discrete(4)})
    env = adapt(Scripted(space), sample_rate_hz=44100, max_tokens=16)
    assert env.get_wrapper_attr("senses") == Spec(
        camera=Camera(24, 32), audio=Microphone(2, 1260, 44100), instruction=Instruction(16, 1024), heading=Vector(4)
    )
    check_env(env, skip_render_check=True)
    observation, info = env.reset(seed=1)
    assert list(observation) == ["audio", "camera", "heading", "instruction", "present"]
    assert observation["present"].tolist() == [1, 1, 1, 1]
    assert info["own"] == 1
    assert (observation["instruction"] == default_tokenizer().encode(info["instruction_text"], 16)[0]).all()


def test_cartpole_is_a_vector() -> None:
    env = adapt(gym.make("CartPole-v1", disable_env_checker=True))
    assert env.get_wrapper_attr("senses") == Spec(vector=Vector(4))
    assert env.get_wrapper_attr("action_names") == ("action_0", "action_1")
    assert env.get_wrapper_attr("step_s") == 0.02
    check_env(env, skip_render_check=True)
    observation, _ = env.reset(seed=0)
    expected, _ = gym.make("CartPole-v1").reset(seed=0)
    assert observation["vector"].tolist() == expected.tolist()


def test_a_minigrid_is_read_without_its_adapter() -> None:
    inner = make_babyai("BabyAI-GoToLocal-v0").unwrapped
    env = adapt(inner, kinds={"image": Grid(7, 7, (11, 6, 3))})
    assert env.get_wrapper_attr("senses") == Spec(
        direction=Vector(4), grid=Grid(7, 7, (11, 6, 3)), instruction=Instruction(48, 1024)
    )
    ours, our_info = env.reset(seed=4)
    theirs, their_info = make_babyai("BabyAI-GoToLocal-v0").reset(seed=4)
    assert (ours["grid"] == theirs["grid"]).all()
    assert (ours["instruction"] == theirs["instruction"]).all()
    assert our_info["instruction_text"] == their_info["instruction_text"]


@pytest.mark.parametrize(
    ("space", "options", "expected"),
    [
        (spaces.Box(0, 255, (210, 160, 3), np.uint8), {}, Spec(camera=Camera(210, 160))),
        (spaces.Box(0, 255, (210, 160), np.uint8), {}, Spec(camera=Camera(210, 160))),
        (spaces.Box(0, 255, (84, 96, 1), np.uint8), {}, Spec(camera=Camera(84, 96))),
        (spaces.Box(0, 255, (3, 84, 96), np.uint8), {}, Spec(camera=Camera(84, 96))),
        (spaces.Box(0, 255, (84, 96, 3), np.uint8), {"size": (32, 48)}, Spec(camera=Camera(32, 48))),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), {"size": (16, 16)}, Spec(camera=Camera(16, 16))),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), {}, Spec(grid=Grid(8, 8, (256, 256, 256)))),
        (spaces.Box(0, 4, (40, 40), np.uint8), {}, Spec(grid=Grid(40, 40, (5,)))),
        (
            spaces.Box(-32768, 32767, (2, 1260), np.int16),
            {"sample_rate_hz": 8000},
            Spec(audio=Microphone(2, 1260, 8000)),
        ),
        (spaces.Box(-32768, 32767, (1260,), np.int16), {"sample_rate_hz": 8000}, Spec(audio=Microphone(1, 1260, 8000))),
        (TEXT, {"max_tokens": 9}, Spec(instruction=Instruction(9, 1024))),
        (spaces.Discrete(5, start=2), {}, Spec(vector=Vector(5))),
        (spaces.MultiDiscrete([3, 4]), {}, Spec(vector=Vector(7))),
        (spaces.MultiBinary(6), {}, Spec(vector=Vector(6))),
        (spaces.MultiBinary([2, 3]), {}, Spec(vector=Vector(6))),
        (spaces.Box(-1, 1, (5,), np.float64), {}, Spec(vector=Vector(5))),
        (spaces.Box(0, 9, (5,), np.int64), {}, Spec(vector=Vector(5))),
        (spaces.Box(-1, 1, (), np.float32), {}, Spec(vector=Vector(1))),
        (
            spaces.Box(-1, 1, (4, 5), np.float32),
            {"kinds": {"observation": Vector(20)}},
            Spec(vector=Vector(20)),
        ),
        (
            spaces.Box(-1, 1, (4, 5), np.float32),
            {"kinds": {"observation": Microphone(5, 4, 8000)}},
            Spec(audio=Microphone(5, 4, 8000)),
        ),
    ],
)
def test_a_bare_observation_is_read_by_dtype_and_shape(space: spaces.Space[Any], options: dict, expected: Spec) -> None:
    env = adapt(Scripted(space), **options)
    assert env.get_wrapper_attr("senses") == expected
    for seed in range(3):
        assert env.observation_space.contains(env.reset(seed=seed)[0])


@pytest.mark.parametrize(
    ("sources", "options", "expected"),
    [
        ({"left": RGB, "right": RGB}, {}, {"left": Camera(24, 32), "right": Camera(24, 32)}),
        ({"left": RGB, "right": RGB}, {"camera": "left"}, {"camera": Camera(24, 32), "right": Camera(24, 32)}),
        ({"camera": spaces.Discrete(2), "screen": RGB}, {}, {"camera": Vector(2), "screen": Camera(24, 32)}),
        ({"agent/pos": spaces.Box(0, 1, (2,)), "2nd": RGB}, {}, {"agent_pos": Vector(2), "camera": Camera(24, 32)}),
        ({"tokens": spaces.Box(0, 99, (7,), np.int64)}, {}, {"instruction": Instruction(7, 100)}),
        ({"words": spaces.Box(0, 99, (7,), np.int64)}, {"instruction": "words"}, {"instruction": Instruction(7, 100)}),
        ({"wave": WAVE}, {"audio": "wave", "sample_rate_hz": 8000}, {"audio": Microphone(2, 800, 8000)}),
        ({"sound": BYTES}, {"sample_rate_hz": 30720}, {"audio": Microphone(1, 512, 30720)}),
        ({"screen": RGB, "ram": BYTES}, {"ignore": ["ram"]}, {"camera": Camera(24, 32)}),
        ({"map": RGB}, {"kinds": {"map": Camera(16, 16)}}, {"camera": Camera(16, 16)}),
    ],
)
def test_the_senses_of_a_dict_are_named_and_overridable(sources: dict, options: dict, expected: dict) -> None:
    assert spec_of(spaces.Dict(sources), **options) == Spec(**expected)


def test_stereo_16_bit_sound_is_scaled_exactly_and_channels_come_first() -> None:
    value = np.random.default_rng(0).integers(-32768, 32768, (1260, 2)).astype(np.int16)
    audio = read(PCM, value, sample_rate_hz=44100)["audio"]
    assert audio.dtype == np.float32 and audio.shape == (2, 1260)
    assert (audio.T.astype(np.float64) * 2**15 == value).all()


def test_unsigned_8_bit_sound_is_silent_at_128() -> None:
    value = np.full(512, 128, np.uint8)
    value[:3] = [0, 255, 129]
    audio = read(spaces.Box(0, 255, (512,), np.uint8), value, audio="observation", sample_rate_hz=30720)["audio"]
    assert audio[0, :4].tolist() == [-1.0, 127 / 128, 1 / 128, 0.0]


def test_float_sound_is_clipped_and_put_on_the_16_bit_grid() -> None:
    value = np.array([[0.1, -3.0, 2.0] * 4], np.float32)
    audio = read(spaces.Box(-np.inf, np.inf, (1, 12)), value, audio="observation", sample_rate_hz=8000)["audio"]
    assert audio[0, 1:3].tolist() == [-1.0, 1.0]
    assert audio[0, 0] * 2**15 == round(0.1 * 2**15)


def test_values_that_are_not_finite_are_passed_on_for_perception_to_count() -> None:
    space = spaces.Dict({"sound": spaces.Box(-1, 1, (1, 12)), "speed": spaces.Box(-9, 9, (1,))})
    value = {"sound": np.full((1, 12), np.nan, np.float32), "speed": np.array([np.inf], np.float32)}
    observation, _ = adapt(Scripted(space, value), sample_rate_hz=8000).reset()
    assert np.isnan(observation["audio"]).all() and np.isinf(observation["speed"]).all()
    value["sound"] = np.full((1, 12), np.inf, np.float32)
    assert not np.isfinite(adapt(Scripted(space, value), sample_rate_hz=8000).reset()[0]["audio"]).any()
    assert observation["present"].tolist() == [1, 1]


def test_grey_pictures_spread_over_three_channels() -> None:
    value = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    camera = read(spaces.Box(0, 255, (20, 30), np.uint8), value)["camera"]
    assert (camera == value[..., None]).all()


def test_channels_first_pictures_are_turned() -> None:
    value = np.random.default_rng(0).integers(0, 256, (3, 20, 30)).astype(np.uint8)
    camera = read(spaces.Box(0, 255, (3, 20, 30), np.uint8), value)["camera"]
    assert (camera == value.transpose(1, 2, 0)).all()


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64)])
def test_pictures_are_resized_by_area(shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    camera = read(spaces.Box(0, 255, shape, np.uint8), value, size=(24, 32))["camera"]
    blocks = np.atleast_3d(value).astype(np.float64).reshape(24, 2, 32, 2, -1).mean((1, 3))
    assert np.abs(camera - blocks).max() <= 0.5


def test_without_opencv_only_resizing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse_cv2(name: str, *rest: Any, **more: Any) -> Any:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse_cv2)
    read(RGB, np.zeros((24, 32, 3), np.uint8))
    with pytest.raises(MissingExtraError, match="libGL.*doctor"):
        read(RGB, np.zeros((24, 32, 3), np.uint8), size=(16, 16))


@pytest.mark.parametrize(
    ("space", "value", "expected"),
    [
        (spaces.Discrete(4), 2, [0, 0, 1, 0]),
        (spaces.Discrete(3, start=-1), np.int64(-1), [1, 0, 0]),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 2]), [0, 1, 0, 0, 1]),
        (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
        (spaces.Box(-9, 9, (2,), np.float64), np.array([0.5, -2]), [0.5, -2]),
    ],
)
def test_categories_are_one_hot_and_numbers_are_themselves(space: Any, value: Any, expected: list) -> None:
    vector = read(space, value)["vector"]
    assert vector.dtype == np.float32
    assert vector.tolist() == expected


def test_an_instruction_given_once_is_held_until_the_episode_ends() -> None:
    texts = [{"notifications": text} for text in ("", "", "shoot: demon", "", "", "shoot: imp", "")]
    env = adapt(Scripted(spaces.Dict({"notifications": TEXT}), *texts), hold_instruction=True)
    observation, info = env.reset()
    heard = [(info["instruction_text"], int(observation["present"][0]))]
    for _ in range(6):
        observation, _, _, _, info = env.step(0)
        heard.append((info["instruction_text"], int(observation["present"][0])))
        assert (observation["instruction"] == default_tokenizer().encode(info["instruction_text"], 48)[0]).all()
    demon, imp = ("shoot: demon", 1), ("shoot: imp", 1)
    assert heard == [("", 0), ("", 0), demon, demon, demon, imp, imp]
    observation, info = env.reset()
    assert (info["instruction_text"], observation["present"].tolist()) == ("", [0])


def test_an_instruction_is_not_held_unless_asked() -> None:
    env = adapt(Scripted(TEXT, "go", ""))
    env.reset()
    observation, _, _, _, info = env.step(0)
    assert info["instruction_text"] == "" and not observation["instruction"].any()


def test_a_long_text_is_cut_and_reported() -> None:
    env = adapt(Scripted(TEXT, "go to the red ball", "go"), max_tokens=3)
    assert env.reset()[1]["instruction_was_truncated"] is True
    assert env.step(0)[4]["instruction_was_truncated"] is False


def test_an_environments_own_mask_follows_the_new_names() -> None:
    # Sorted by source: eye, zone. Sorted by sense: camera (eye), zone; and with `other`, the order changes.
    space = spaces.Dict({"zone": spaces.Discrete(2), "axis": RGB, "bell": TEXT, "present": spaces.MultiBinary(3)})
    value = {"zone": 1, "axis": np.zeros((24, 32, 3), np.uint8), "bell": "go", "present": np.array([0, 1, 1], np.int8)}
    env = adapt(Scripted(space, value), kinds={"zone": Vector(2)})
    assert env.get_wrapper_attr("senses").names == ("camera", "instruction", "zone")
    assert env.reset()[0]["present"].tolist() == [0, 1, 1]
    mirrored = spaces.Dict({"a": TEXT, "b": RGB, "present": spaces.MultiBinary(2)})
    value = {"a": "go", "b": np.zeros((24, 32, 3), np.uint8), "present": np.array([0, 1], np.int8)}
    env = adapt(Scripted(mirrored, value))
    assert env.get_wrapper_attr("senses").names == ("camera", "instruction")
    assert env.reset()[0]["present"].tolist() == [1, 0]


def test_observations_share_no_memory_with_the_environment_or_each_other() -> None:
    space = spaces.Dict(
        {
            "screen": RGB, "sound": spaces.Box(-1, 1, (2, 64)), "map": spaces.Box(0, 3, (5, 5, 1), np.uint8),
            "speed": spaces.Box(-1, 1, (3,), np.float32), "tokens": spaces.Box(0, 9, (4,), np.int32),
        }
    )  # fmt: skip
    value = space.sample()
    env = adapt(Scripted(space, value), sample_rate_hz=8000)
    first, second = env.reset()[0], env.step(0)[0]
    for key, array in first.items():
        assert not np.shares_memory(array, second[key])
        assert not any(np.shares_memory(array, own) for own in value.values())


def test_names_and_duration_of_actions_come_from_the_environment_or_the_caller() -> None:
    class Named(Scripted):
        metadata = {"render_fps": 20}
        frame_skip = 1

        def get_action_meanings(self) -> list[str]:
            return ["NOOP", "FIRE", "UP"]

    env = adapt(Named(RGB))
    assert env.get_wrapper_attr("action_names") == ("noop", "fire", "up")
    assert env.get_wrapper_attr("step_s") == 0.05
    skipping = Named(RGB)
    skipping.frame_skip = 4
    assert adapt(skipping).get_wrapper_attr("step_s") == 0.2
    env = adapt(Named(RGB), action_names=["a", "b", "c"], step_s=0.5)
    assert env.get_wrapper_attr("action_names") == ("a", "b", "c")
    assert env.get_wrapper_attr("step_s") == 0.5
    pendulum = adapt(gym.make("Pendulum-v1", disable_env_checker=True))
    assert pendulum.get_wrapper_attr("action_names") == ("action_0",)
    assert pendulum.get_wrapper_attr("step_s") == 0.05


@pytest.mark.parametrize(
    ("space", "options", "words"),
    [
        (spaces.Sequence(RGB), {}, "is a Sequence"),
        (spaces.Box(0, 255, (128,), np.uint8), {}, 'may be several things; pass audio="observation"'),
        (spaces.Box(-np.inf, np.inf, (84, 84, 3)), {"camera": "observation"}, "between the same limits.*-inf..inf"),
        (spaces.Box(-1, 1, (2, 800), np.float32), {}, "may be several things"),
        (PCM, {}, "pass sample_rate_hz"),
        (spaces.Box(-9, 9, (6, 6), np.int16), {"sample_rate_hz": 8000}, "channels cannot be told from samples"),
        (spaces.Box(-9, 9, (64, 64), np.int32), {"audio": "observation", "sample_rate_hz": 8000}, "got int32"),
        (spaces.Box(-1, 1, (4,)), {"instruction": "observation"}, "must be text, or integers"),
        (RGB, {"kinds": {"observation": Vector(3)}}, "cannot be read as Vector"),
        (RGB, {"kinds": {"observation": Grid(9, 9, (3,))}}, "cannot be read as Grid"),
        (TEXT, {"kinds": {"observation": Camera(16, 16)}}, "cannot be read as Camera"),
        (PCM, {"kinds": {"observation": Microphone(3, 1260, 8000)}}, "cannot be read as Microphone"),
        (spaces.Dict({"screen": RGB}), {"camera": "scren"}, 'no source "scren"; did you mean "screen"'),
        (spaces.Dict({"screen": RGB}), {"kinds": {"x": Vector(1)}}, 'no source "x"'),
        (spaces.Dict({"screen": RGB}), {"ignore": ["screen"]}, "no source left"),
        (spaces.Dict({"a b": spaces.Discrete(2), "a_b": spaces.Discrete(2)}), {}, 'would both be "a_b"'),
        (spaces.Dict({"screen": RGB, "present": spaces.MultiBinary(4)}), {}, "one entry for each of the 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_in_one_sentence(space: Any, options: dict, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        adapt(Scripted(space), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": (16,)}, r"\(height, width\) in pixels; got \(16,\)"),
        ({"step_s": 0}, "above 0; got 0"),
        ({"step_s": float("nan")}, "above 0; got nan"),
        ({"action_names": ["one"]}, "all 3 actions; got 1: one"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        adapt(Scripted(RGB), **options)


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (RGB, np.zeros((24, 31, 3), np.uint8)),
        (spaces.Discrete(3), 3),
        (spaces.MultiDiscrete([2, 2]), np.array([1, 2])),
        (spaces.Box(-1, 1, (3,)), np.zeros(4, np.float32)),
    ],
)
def test_a_value_outside_its_space_is_refused(space: Any, value: Any) -> None:
    with pytest.raises(ObservationError, match="Fix the environment"):
        read(space, value)
