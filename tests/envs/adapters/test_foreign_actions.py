"""Actions of foreign environments: shown as policies know them, taken back before they are done, or refused."""

import enum
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from kit.worlds.scripted import JOINTS, RGB, ScriptedWorld
from senseweave.envs import adapt, make_babyai
from senseweave.perception.errors import ObservationError, SpecError
from senseweave.perception.spec import Spec, Vector


def adapted(actions: spaces.Space[Any]) -> Any:
    return adapt(ScriptedWorld(JOINTS, actions=actions))


@pytest.mark.parametrize(
    ("own", "shown", "chosen", "done"),
    [
        (spaces.Discrete(3, start=5), spaces.Discrete(3), 2, 7),
        (spaces.Discrete(3, start=-1), spaces.Discrete(3), np.int64(0), -1),
        (spaces.MultiDiscrete([3, 2], start=[5, 1]), spaces.MultiDiscrete([3, 2]), [2, 0], [7, 1]),
        (spaces.MultiDiscrete([[3, 2], [2, 2]]), spaces.MultiDiscrete([3, 2, 2, 2]), [2, 1, 0, 1], [[2, 1], [0, 1]]),
        (spaces.MultiBinary((2, 2)), spaces.MultiBinary(4), [1, 0, 0, 1], [[1, 0], [0, 1]]),
        (spaces.Box(0, 9, (2,), np.int32), spaces.Box(0, 9, (2,), np.float32), [2.6, 99.0], [3, 9]),
        (spaces.Box(-0.1, 0.1, (2,), np.float64), None, np.array([0.1, -0.1], np.float32), [0.1, -0.1]),
        (spaces.Box(-1, 1, (2, 3)), None, np.ones((2, 3), np.float32), np.ones((2, 3)).tolist()),
        (spaces.Box(-1, 1, ()), None, np.array(0.5, np.float32), 0.5),
        (spaces.Discrete(3), None, 2, 2),
        (spaces.MultiBinary(3), None, np.array([1, 0, 1]), [1, 0, 1]),
    ],
)
def test_what_a_policy_chooses_is_done_in_the_environments_own_space(
    own: spaces.Space[Any], shown: spaces.Space[Any] | None, chosen: Any, done: Any
) -> None:
    env = adapted(own)
    assert env.action_space == (own if shown is None else shown)
    env.reset()
    env.step(chosen)
    assert np.asarray(env.unwrapped.taken[0]).tolist() == done
    for seed in range(5):
        env.action_space.seed(seed)
        env.step(env.action_space.sample())
    assert all(own.contains(action) for action in env.unwrapped.taken)


def test_an_action_that_is_not_shown_is_refused() -> None:
    env = adapted(spaces.Discrete(3, start=5))
    env.reset()
    with pytest.raises(ObservationError, match=r"must be one of Discrete\(3\); got array"):
        env.step(np.array([1, 2]))


@pytest.mark.parametrize(
    "actions",
    [spaces.Dict({"move": JOINTS, "grip": spaces.Discrete(2)}), spaces.Tuple([JOINTS]), spaces.Text(4)]
    + [spaces.Sequence(JOINTS)],
)
def test_actions_of_several_sorts_are_refused_with_a_way_that_works(actions: spaces.Space[Any]) -> None:
    with pytest.raises(SpecError, match="in which no policy can act; wrap.*TransformAction") as caught:
        adapted(actions)
    assert "\n" not in str(caught.value)
    world = ScriptedWorld(JOINTS, actions=actions)
    wrapped = gym.wrappers.TransformAction(world, lambda action: actions.sample(), spaces.Box(-1.0, 1.0, (4,)))
    env = adapt(wrapped)
    env.reset()
    env.step(np.zeros(4, np.float32))
    assert len(world.taken) == 1


def test_actions_without_limits_are_refused_with_a_way_that_works() -> None:
    world = ScriptedWorld(JOINTS, actions=spaces.Box(-np.inf, np.inf, (2,)))
    with pytest.raises(SpecError, match="have no limits") as caught:
        adapt(world)
    advice = str(caught.value).partition("with ")[2].removesuffix(".")
    assert (
        advice
        == "gymnasium.wrappers.TransformAction(env, lambda action: action, gymnasium.spaces.Box(-1.0, 1.0, (2,)))"
    )
    env = adapt(eval(advice, {"gymnasium": gym, "env": world}))
    env.reset()
    env.step(np.array([0.5, -1.0], np.float32))
    assert world.taken[0].tolist() == [0.5, -1.0]


def test_an_environment_that_emits_the_contract_has_plain_actions_too() -> None:
    class Contract(ScriptedWorld):
        senses = Spec(joints=Vector(3))
        action_names = ("a", "b", "c")

    env = adapt(Contract(Contract.senses.space(), actions=spaces.Discrete(3, start=5)))
    assert env.action_space == spaces.Discrete(3) and env.get_wrapper_attr("senses") == Contract.senses
    assert env.get_wrapper_attr("action_names") == ("a", "b", "c")
    env.reset()
    env.step(1)
    assert env.unwrapped.taken == [6]


def names_of(world: Any, **options: Any) -> tuple[str, ...]:
    return adapt(world, **options).get_wrapper_attr("action_names")


def test_minigrids_actions_have_their_names() -> None:
    inner = make_babyai("BabyAI-GoToLocal-v0").unwrapped
    assert names_of(inner) == ("left", "right", "forward", "pickup", "drop", "toggle", "done")
    assert names_of(gym.wrappers.TransformReward(inner, float)) == names_of(inner)


class _Button(enum.Enum):  # pybind's enumerations print as vizdoom's do
    ATTACK = 0
    MOVE_LEFT = 1
    TURN_DELTA = 2

    def __str__(self) -> str:
        return f"Button.{self.name}"


class _Game:
    def __init__(self, *buttons: _Button) -> None:
        self.buttons = list(buttons)

    def get_available_buttons(self) -> list[_Button]:
        return self.buttons


def test_vizdooms_buttons_are_its_actions_names() -> None:
    world: Any = ScriptedWorld(RGB, actions=spaces.Discrete(3))
    world.game = _Game(_Button.MOVE_LEFT, _Button.ATTACK)
    world.button_map = [np.array(row) for row in ([0, 0], [0, 1], [1, 0])]
    assert names_of(world) == ("noop", "attack", "move_left")
    world.action_space, world.button_map = spaces.Discrete(4), [*world.button_map, np.array([1, 1])]
    assert names_of(world) == ("noop", "attack", "move_left", "move_left+attack")
    world.action_space = spaces.MultiBinary(2)
    assert names_of(world) == ("move_left", "attack")


def test_names_that_do_not_number_the_actions_are_not_taken() -> None:
    class Other(enum.IntEnum):
        left = 3
        right = 4

    world: Any = ScriptedWorld(RGB)
    for actions in (Other, ["a"], 7, enum.Enum("Two", ["a", "b"])):
        world.actions = actions
        assert names_of(world) == ("action_0", "action_1", "action_2")


@pytest.mark.parametrize(
    ("frameskip", "wrapped", "expected"), [(4, 1, 4 / 60), (1, 4, 4 / 60), (1, 1, 1 / 60), ((2, 5), 1, 3 / 60)]
)
def test_a_step_of_ale_lasts_as_long_as_the_frames_that_it_skips(frameskip: Any, wrapped: int, expected: float) -> None:
    class Atari(ScriptedWorld):
        metadata = {"render_fps": 30}
        ale = object()

    class Preprocessing(gym.Wrapper):
        frame_skip = wrapped

    world: Any = Atari(RGB)
    world._frameskip = frameskip
    env = Preprocessing(world) if wrapped > 1 else world
    assert adapt(env).get_wrapper_attr("step_s") == pytest.approx(expected)


def test_a_step_of_vizdoom_lasts_as_long_as_its_tics() -> None:
    class Doom(ScriptedWorld):
        metadata = {"render_fps": 35}
        frame_skip = 4

    assert adapt(Doom(RGB)).get_wrapper_attr("step_s") == pytest.approx(4 / 35)
