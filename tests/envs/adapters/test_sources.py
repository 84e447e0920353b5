"""Nested observations are lifted, and what is missing or None at a step is absent."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from kit.worlds.scripted import JOINTS, RGB, TEXT, ScriptedWorld
from senseweave.envs import adapt
from senseweave.perception.errors import ConfigError, ObservationError, SpecError
from senseweave.perception.spec import Camera, Depth, Instruction, Spec, Vector

PICTURE = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
NUMBERS = np.array([0.1, 0.2, 0.3], np.float32)
ROBOT = spaces.Dict({"agent_pos": JOINTS, "pixels": spaces.Dict({"top": RGB, "wrist": RGB})})
ROBOT_SEES = {"agent_pos": NUMBERS, "pixels": {"top": PICTURE, "wrist": 255 - PICTURE}}


def senses_of(space: spaces.Space[Any], **options: Any) -> Spec:
    return adapt(ScriptedWorld(space), **options).get_wrapper_attr("senses")


def seen(space: spaces.Space[Any], value: Any, **options: Any) -> dict[str, np.ndarray]:
    env = adapt(ScriptedWorld(space, value), **options)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    return observation


def test_a_robot_with_nested_cameras_is_read_as_it_is() -> None:
    observation = seen(ROBOT, ROBOT_SEES)
    assert list(observation) == ["agent_pos", "pixels_top", "pixels_wrist", "present"]
    assert (observation["pixels_top"] == PICTURE).all() and (observation["pixels_wrist"] == 255 - PICTURE).all()
    assert observation["agent_pos"].tolist() == NUMBERS.tolist()
    assert senses_of(ROBOT, camera="pixels_top") == Spec(
        agent_pos=Vector(3), camera=Camera(24, 32), pixels_wrist=Camera(24, 32)
    )


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Dict({"a": spaces.Dict({"b": spaces.Dict({"c": JOINTS})})}), {"a_b_c": Vector(3)}),
        (spaces.Dict({"pair": spaces.Tuple([RGB, JOINTS])}), {"camera": Camera(24, 32), "pair_1": Vector(3)}),
        (spaces.Tuple([RGB, JOINTS]), {"camera": Camera(24, 32), "observation_1": Vector(3)}),
        (spaces.Tuple([JOINTS, spaces.Dict({"x": TEXT})]), {"observation_0": Vector(3), "instruction": None}),
        (spaces.Dict({"eye": spaces.Dict({"rgb": RGB})}), {"camera": Camera(24, 32)}),
    ],
)
def test_sources_inside_of_others_have_the_names_of_both(space: spaces.Space[Any], expected: dict) -> None:
    expected = {name: kind or Instruction(48, 1024) for name, kind in expected.items()}
    env = adapt(ScriptedWorld(space))
    assert env.get_wrapper_attr("senses") == Spec(**expected)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation) and observation["present"].all()


def test_a_whole_dict_or_one_part_of_it_can_be_left_out() -> None:
    assert senses_of(ROBOT, ignore="pixels") == Spec(agent_pos=Vector(3))
    assert senses_of(ROBOT, ignore=["pixels_top"]) == Spec(agent_pos=Vector(3), camera=Camera(24, 32))
    with pytest.raises(SpecError, match='no source "pixel"; did you mean "pixels_'):
        senses_of(ROBOT, ignore="pixel")
    with pytest.raises(SpecError, match='would be named "a_b"'):
        senses_of(spaces.Dict({"a": spaces.Dict({"b": JOINTS}), "a_b": JOINTS}))


@pytest.mark.parametrize(
    ("size", "mask", "expected"),
    [(3, [1, 0, 1], [1, 0, 1]), (2, [1, 0], [1, 0, 0]), (2, [0, 1], [0, 1, 1])],
)
def test_a_mask_counts_the_parts_or_what_they_are_in(size: int, mask: list[int], expected: list[int]) -> None:
    space = spaces.Dict({**ROBOT.spaces, "present": spaces.MultiBinary(size)})
    assert seen(space, ROBOT_SEES | {"present": np.array(mask, np.int8)})["present"].tolist() == expected
    assert seen(space, ROBOT_SEES)["present"].tolist() == [1, 1, 1]
    assert seen(space, ROBOT_SEES | {"present": None})["present"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("mask", [[1, 2, 0], [1, 0], [0.5, 1, 1], "yes", [np.nan, 1, 1]])
def test_a_mask_of_something_else_is_refused(mask: Any) -> None:
    space = spaces.Dict({**ROBOT.spaces, "present": spaces.MultiBinary(3)})
    with pytest.raises(ObservationError, match=r'"present" must hold 3 zeros and ones.*Fix the environment\.$'):
        seen(space, ROBOT_SEES | {"present": mask})


EVERYTHING = {
    "joints": (JOINTS, NUMBERS),
    "eye": (RGB, PICTURE),
    "scan": (spaces.Box(0, 10, (16, 16, 1), np.float32), np.ones((16, 16, 1), np.float32)),
    "words": (TEXT, "go"),
    "sound": (spaces.Box(-32768, 32767, (800, 2), np.int16), np.ones((800, 2), np.int16)),
    "map": (spaces.Box(0, 4, (5, 5, 1), np.uint8), np.ones((5, 5, 1), np.uint8)),
    "gear": (spaces.Discrete(4), 2),
    "bits": (spaces.MultiBinary(3), np.ones(3, np.int8)),
    "ids": (spaces.Box(0, 9, (4,), np.int64), np.ones(4, np.int64)),
}


@pytest.mark.parametrize("gone", EVERYTHING)
@pytest.mark.parametrize("how", ["missing", "None"])
def test_what_is_missing_or_none_in_a_step_is_absent(gone: str, how: str) -> None:
    space = spaces.Dict({name: box for name, (box, _) in EVERYTHING.items()})
    whole = {name: value for name, (_, value) in EVERYTHING.items()}
    less = {name: value for name, value in whole.items() if name != gone} | ({gone: None} if how == "None" else {})
    env = adapt(ScriptedWorld(space, whole, less, whole), sample_rate_hz=8000, kinds={"ids": Instruction(4, 10)})
    sources = {"eye": "camera", "scan": "depth", "sound": "audio", "map": "grid", "words": "words", "ids": "ids"}
    sense = sources.get(gone, gone)
    names = env.get_wrapper_attr("senses").names
    assert env.reset()[0]["present"].all()
    observation = env.step(0)[0]
    assert env.observation_space.contains(observation)
    assert [name for name, here in zip(names, observation["present"], strict=True) if not here] == [sense]
    assert not observation[sense].any()
    assert env.step(0)[0]["present"].all()


@pytest.mark.parametrize("raw", [{"agent_pos": NUMBERS}, {"agent_pos": NUMBERS, "pixels": None}])
def test_what_is_around_a_source_may_be_missing_too(raw: dict) -> None:
    assert seen(ROBOT, raw)["present"].tolist() == [1, 0, 0]
    assert seen(JOINTS, None)["present"].tolist() == [0]
    assert seen(spaces.Tuple([JOINTS, RGB]), (NUMBERS,))["present"].tolist() == [0, 1]


def test_an_array_in_the_place_of_a_dict_is_refused() -> None:
    with pytest.raises(ObservationError, match='"pixels_top" must be inside of a dict.*got ndarray'):
        seen(ROBOT, {"agent_pos": NUMBERS, "pixels": PICTURE})
    with pytest.raises(ObservationError, match='"observation_0" must be inside of a tuple.*got ndarray'):
        seen(spaces.Tuple([JOINTS]), NUMBERS)


@pytest.mark.parametrize("space", [spaces.Sequence(RGB), spaces.OneOf([RGB, JOINTS]), spaces.Graph(JOINTS, None)])
def test_a_space_without_a_size_is_refused_and_can_be_left_out_as_told(space: spaces.Space[Any]) -> None:
    with pytest.raises(SpecError, match='"odd" is a .* and is no sense; .*ignore="odd"') as caught:
        senses_of(spaces.Dict({"odd": space, "joints": JOINTS}))
    assert "\n" not in str(caught.value)
    assert senses_of(spaces.Dict({"odd": space, "joints": JOINTS}), ignore="odd") == Spec(joints=Vector(3))
    with pytest.raises(SpecError) as caught:
        senses_of(space)
    assert "ignore" not in str(caught.value), "nothing would be left"
    made_fixed = gym.wrappers.TransformObservation(ScriptedWorld(space), lambda raw: NUMBERS, JOINTS)
    assert adapt(made_fixed).get_wrapper_attr("senses") == Spec(vector=Vector(3))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinds": "Vector"}, r"`kinds` must map sources to kinds"),
        ({"kinds": {"joints": 3}}, r'`kinds` must give "joints" a kind'),
        ({"kinds": "{'joints': __import__('os')}"}, 'There is no kind "__import__"'),
        ({"kinds": "{'joints': Vektor(3)}"}, 'There is no kind "Vektor"; did you mean "Vector"'),
        ({"kinds": "{'joints': Vector(x)}"}, "A Vector cannot be made of"),
        ({"ignore": 5}, "`ignore` must be a list of sources"),
        ({"ignore": [5]}, "`ignore` must be a list of sources"),
        ({"ignore": "depht"}, 'no source "depht"; did you mean "depth"'),
        ({"size": "64"}, "`size` must be"),
        ({"camera": 3}, "`camera` must be the name of a source"),
        ({"step_s": "fast"}, "`step_s` must be a number of seconds"),
        ({"action_names": "go"}, "must name all 3 actions; got 1: go"),
    ],
)
def test_mistakes_in_the_options_are_one_sentence(options: dict, words: str) -> None:
    space = spaces.Dict({"joints": JOINTS, "depth": spaces.Box(0, 5, (16, 16))})
    with pytest.raises((ConfigError, SpecError), match=words) as caught:
        adapt(ScriptedWorld(space), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "kinds",
    [
        '{"scan": Vector(20)}',
        "{'scan': Vector(size=20)}",
        {"scan": "Vector(20)"},
        {"scan": {"kind": "Vector", "size": 20}},
        {"scan": Vector(20)},
    ],
)
def test_kinds_can_be_said_on_a_command_line(kinds: Any) -> None:
    space = spaces.Dict({"scan": spaces.Box(-1, 1, (4, 5)), "depth": spaces.Box(0, 5, (16, 16))})
    assert senses_of(space, kinds=kinds) == Spec(scan=Vector(20), depth=Depth(16, 16, 5.0))
    assert senses_of(space, kinds=kinds, ignore="depth") == Spec(scan=Vector(20))
