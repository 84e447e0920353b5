"""Pictures of foreign environments: floats, transparency, distances, stacks, and advice that works when followed."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation

from kit.worlds.scripted import RGB, ScriptedWorld
from senseweave.envs import adapt
from senseweave.perception.errors import SpecError
from senseweave.perception.spec import Camera, Depth, Grid, Spec, Vector


def floats(low: float, high: float, *shape: int, dtype: Any = np.float32) -> spaces.Box:
    return spaces.Box(low, high, shape, dtype)


def senses_of(space: spaces.Space[Any], **options: Any) -> Spec:
    return adapt(ScriptedWorld(space), **options).get_wrapper_attr("senses")


def seen(space: spaces.Space[Any], value: Any, **options: Any) -> dict[str, np.ndarray]:
    env = adapt(ScriptedWorld(space, value), **options)
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    return observation


BYTES = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (floats(0, 1, 24, 32, 3), (BYTES / 255).astype(np.float32)),
        (floats(0, 255, 24, 32, 3, dtype=np.float64), BYTES.astype(np.float64)),
        (floats(0, 1, 3, 24, 32, dtype=np.float64), BYTES.transpose(2, 0, 1) / 255),
        (floats(0, 255, 24, 32, 3, dtype=np.int32), BYTES.astype(np.int32)),
    ],
)
def test_pictures_of_other_numbers_are_cameras_by_their_limits(space: spaces.Box, value: np.ndarray) -> None:
    assert senses_of(space) == Spec(camera=Camera(24, 32))
    assert (seen(space, value)["camera"] == BYTES).all()


def test_grey_floats_and_floats_around_zero_are_cameras_where_they_are_said_to_be() -> None:
    grey = floats(0, 1, 24, 32)
    assert (seen(grey, (BYTES[..., 0] / 255).astype("f4"))["camera"] == BYTES[..., :1]).all()
    around = floats(-1, 1, 24, 32, 3, dtype=np.float64)
    assert (seen(around, BYTES / 127.5 - 1, camera="observation")["camera"] == BYTES).all()
    bits = spaces.Box(0, 1, (24, 32), np.uint8)
    assert senses_of(bits) == Spec(grid=Grid(24, 32, (2,)))
    assert seen(bits, np.ones((24, 32), np.uint8), camera="observation")["camera"].min() == 255


def test_gymnasiums_own_rescaling_is_read_back() -> None:
    world = ScriptedWorld(RGB, BYTES)
    env = adapt(gym.wrappers.RescaleObservation(gym.wrappers.DtypeObservation(world, np.float32), 0, 1))
    assert (env.reset()[0]["camera"] == BYTES).all()


def test_a_float_picture_that_is_not_finite_is_absent() -> None:
    picture = np.zeros((24, 32, 3), np.float32)
    picture[3, 4, 1] = np.nan
    observation = seen(floats(0, 1, 24, 32, 3), picture)
    assert observation["present"].tolist() == [0] and not observation["camera"].any()


@pytest.mark.parametrize("name", ["rgba", "top_RGBA"])
def test_rgba_loses_its_alpha(name: str) -> None:
    value = np.concatenate([BYTES, np.full((24, 32, 1), 7, np.uint8)], axis=2)
    space = spaces.Box(0, 255, (24, 32, 4), np.uint8)
    assert (seen(spaces.Dict({name: space}), {name: value})["camera"] == BYTES).all()
    assert (seen(space, value, camera="observation")["camera"] == BYTES).all()
    assert (seen(space, value, kinds={"observation": Camera(24, 32)})["camera"] == BYTES).all()
    assert seen(space, value, camera="observation", size=(16, 16))["camera"].shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("shape", "frames"),
    [((4, 84, 84), 4), ((84, 84, 4), 4), ((64, 64, 12), 4), ((12, 64, 64), 4), ((4, 64, 64, 3), 4), ((2, 84, 84), 2)]
    + [((84, 84, 5), 5), ((64, 64, 6), 2), ((8, 84, 84, 1), 8), ((3, 3, 64, 64), 3)],
)
@pytest.mark.parametrize("space", [{"high": 255, "dtype": np.uint8}, {"high": 1, "dtype": np.float32}])
def test_stacked_frames_are_named_as_such(shape: tuple[int, ...], frames: int, space: dict) -> None:
    with pytest.raises(SpecError, match=f'"observation" is {frames} stacked frames.*--memory gru') as caught:
        senses_of(spaces.Box(0, shape=shape, **space))
    assert "\n" not in str(caught.value)
    assert ('camera="observation"' in str(caught.value)) == (shape == (84, 84, 4))


@pytest.mark.parametrize("shape", [(84, 84), (84, 84, 3), (84, 84, 1)])
def test_without_the_wrapper_that_stacks_them_frames_are_a_camera(shape: tuple[int, ...]) -> None:
    world = ScriptedWorld(spaces.Box(0, 255, shape, np.uint8))
    stacked = FrameStackObservation(world, 4)
    with pytest.raises(SpecError, match="4 stacked frames.*leave out the wrapper"):
        adapt(stacked)
    assert adapt(stacked.env).get_wrapper_attr("senses") == Spec(camera=Camera(84, 84))


@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 1), (1, 24, 32)])
def test_distances_in_metres_are_depth(shape: tuple[int, ...]) -> None:
    space = floats(0, 10, *shape)
    metres = np.linspace(0, 10, 24 * 32, dtype=np.float32)
    metres[:4] = [np.nan, np.inf, -1.0, 0.0]
    metres[5] = 12.0
    observation = seen(space, metres.reshape(shape))
    assert senses_of(space) == Spec(depth=Depth(24, 32, 10.0))
    depth = observation["depth"].reshape(-1)
    assert depth[:4].tolist() == [0, 0, 0, 0] and depth[5] == 10.0
    assert (depth[6:] == metres[6:]).all()


def test_a_source_that_is_called_depth_is_depth_up_to_its_limit() -> None:
    assert senses_of(spaces.Dict({"head_depth": floats(0, 1, 24, 32)})) == Spec(depth=Depth(24, 32, 1.0))
    assert senses_of(spaces.Dict({"rgb": RGB, "depth": floats(0, 255, 24, 32, 1)})) == Spec(
        camera=Camera(24, 32), depth=Depth(24, 32, 255.0)
    )
    endless = spaces.Dict({"depth": floats(0, np.inf, 24, 32)})
    with pytest.raises(SpecError, match=r'kinds=\{"depth": Depth\(24, 32, 10\)\} for 10 metres'):
        senses_of(endless)
    assert senses_of(endless, kinds='{"depth": Depth(24, 32, 10)}') == Spec(depth=Depth(24, 32, 10.0))
    with pytest.raises(SpecError, match="cannot be read as Depth"):
        senses_of(endless, kinds={"depth": Depth(16, 16, 10)})
    with pytest.raises(SpecError, match="must be floats in metres"):
        senses_of(RGB, kinds={"observation": Depth(24, 32, 10)})


def test_a_depth_map_of_millimetres_is_told_and_can_be_divided() -> None:
    space, value = spaces.Box(0, 65535, (24, 32), np.uint16), np.full((24, 32), 1500, np.uint16)
    world = ScriptedWorld(spaces.Dict({"depth": space, "rgb": RGB}), {"depth": value, "rgb": BYTES})
    with pytest.raises(SpecError, match='"depth" is a depth map of whole numbers, uint16.*divide millimetres by 1000'):
        adapt(world)
    metres = spaces.Dict({"depth": floats(0, 8, 24, 32), "rgb": RGB})
    env = gym.wrappers.TransformObservation(
        world, lambda seen: seen | {"depth": np.float32(seen["depth"]) / 1000}, metres
    )
    assert (adapt(env).reset()[0]["depth"] == 1.5).all()


AMBIGUOUS = [
    floats(-1, 1, 24, 32, 3),
    floats(-1, 1, 2, 800),
    floats(-np.inf, np.inf, 40, 30),
    floats(0, np.inf, 40, 30),
    floats(0, 1, 8, 8, 3),
    floats(0, 1, 5, 7),
    spaces.Box(0, 255, (128,), np.uint8),
    spaces.Box(0, 255, (4, 5, 6, 7), np.uint8),
    spaces.Box(0, 255, (8, 8, 4), np.uint8),
    spaces.Box(-9, 9, (20, 20), np.int64),
]


@pytest.mark.parametrize("space", AMBIGUOUS, ids=str)
def test_every_way_that_a_refusal_names_works(space: spaces.Box) -> None:
    sources = spaces.Dict({"thing": space, "gear": spaces.Discrete(2)})
    with pytest.raises(SpecError, match='"thing" is .* may be several things; pass ') as caught:
        senses_of(sources)
    assert "\n" not in str(caught.value)
    ways = str(caught.value).partition("; pass ")[2].removesuffix(".").split(", or ")
    assert len(ways) >= 2
    known = {"Vector": Vector, "Depth": Depth, "Camera": Camera, "Grid": Grid}
    for way in ways:
        observation, _ = adapt(ScriptedWorld(sources), **eval(f"dict({way})", dict(known))).reset()
        assert observation["present"].all()
        if way.startswith("kinds"):
            assert senses_of(sources, kinds=way.removeprefix("kinds=")) == senses_of(
                sources, **eval(f"dict({way})", dict(known))
            )
    assert any(way.startswith("ignore") for way in ways)
    with pytest.raises(SpecError, match="several things") as caught:
        senses_of(space)
    assert "ignore" not in str(caught.value)
