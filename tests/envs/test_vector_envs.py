"""The contract through real vector environments: the mask keeps its alphabetical order, content stays with its bit."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from senseweave.envs import WithoutSenses, make, make_babyai

NAMES = ("camera", "compass", "instruction")
ABSENT = (("compass",), ("instruction", "camera"), (), ("camera", "compass", "instruction"))
MASKS = [[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 0]]


def maker(absent: tuple[str, ...]) -> Callable[[], gym.Env[Any, Any]]:
    return lambda: WithoutSenses(make("BabyAI-GoToLocal-v0", view="camera", compass=True), *absent)


def vector_env(how: str) -> Any:
    makers = [maker(absent) for absent in ABSENT]
    if how == "sync":
        return SyncVectorEnv(makers)
    if how == "async":
        return AsyncVectorEnv(makers)
    if how == "async without shared memory":
        return AsyncVectorEnv(makers, shared_memory=False)
    if how == "same-step autoreset":
        return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    if how == "stable-baselines3 dummy":
        return DummyVecEnv(makers)
    return SubprocVecEnv(makers, start_method="fork")


@pytest.fixture(
    params=[
        "sync",
        "async",
        "async without shared memory",
        "same-step autoreset",
        "stable-baselines3 dummy",
        "stable-baselines3 sub-processes",
    ]
)
def envs(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = vector_env(request.param)
    yield made
    made.close()


def batches(envs: Any, steps: int) -> Iterator[dict[str, np.ndarray]]:
    """Observations after a reset and after each step, whichever of the two interfaces this is."""
    if isinstance(envs, (DummyVecEnv, SubprocVecEnv)):
        envs.seed(3)
        yield envs.reset()
        for _ in range(steps):
            yield envs.step(np.zeros(4, np.int64))[0]
    else:
        yield envs.reset(seed=3)[0]
        for _ in range(steps):
            yield envs.step(np.zeros(4, np.int64))[0]


def test_a_known_mask_arrives_in_alphabetical_order_with_its_content(envs: Any) -> None:
    for batch in batches(envs, 3):
        assert sorted(batch) == [*NAMES, "present"]
        assert batch["present"].tolist() == MASKS
        for position, name in enumerate(NAMES):
            has_content = batch[name].reshape(4, -1).any(axis=1)
            assert has_content.tolist() == [bool(mask[position]) for mask in MASKS], name


def test_every_environment_gets_its_own_observation(envs: Any) -> None:
    singles = [maker(absent)() for absent in ABSENT]
    expected = [single.reset(seed=3 + number)[0] for number, single in enumerate(singles)]
    for step, batch in enumerate(batches(envs, 4)):
        if step:
            expected = [single.step(0)[0] for single in singles]
        for number, single in enumerate(expected):
            for name in NAMES:
                assert (batch[name][number] == single[name]).all()


def test_gymnasiums_make_vec_keeps_the_order_too() -> None:
    gym.register("senseweave-test/Masked-v0", entry_point=lambda: maker(("instruction", "camera"))())
    try:
        for mode in ("sync", "async"):
            envs = gym.make_vec("senseweave-test/Masked-v0", num_envs=2, vectorization_mode=mode)
            assert envs.reset(seed=0)[0]["present"].tolist() == [[0, 1, 0]] * 2
            envs.close()
    finally:
        del gym.registry["senseweave-test/Masked-v0"]


def test_instructions_follow_their_episodes_through_shared_memory() -> None:
    """Text itself would be frozen by Gymnasium's shared memory; tokens are not."""
    envs = AsyncVectorEnv([lambda: make_babyai("BabyAI-GoToLocal-v0", max_episode_steps=3)] * 2)
    single = make_babyai("BabyAI-GoToLocal-v0", max_episode_steps=3)
    batch, infos = envs.reset(seed=0)
    expected, info = single.reset(seed=0)
    missions = set()
    for step in range(1, 13):
        assert (batch["instruction"][0] == expected["instruction"]).all()
        assert infos["instruction_text"][0] == info["instruction_text"]
        missions.add(info["instruction_text"])
        batch, _, _, _, infos = envs.step(np.array([0, 0]))
        expected, info = single.reset() if step % 4 == 0 else single.step(0)[::4]
    envs.close()
    assert len(missions) > 1


def test_success_arrives_in_the_infos_of_both_interfaces() -> None:
    def short() -> gym.Env[Any, Any]:
        return make_babyai("BabyAI-GoToLocal-v0", max_episode_steps=2)

    gym_envs = SyncVectorEnv([short, short])
    gym_envs.reset(seed=0)
    assert "is_success" not in gym_envs.step(np.array([0, 0]))[4]
    assert gym_envs.step(np.array([0, 0]))[4]["is_success"].tolist() == [False, False]
    sb3_envs = DummyVecEnv([short, short])
    sb3_envs.seed(0)
    sb3_envs.reset()
    assert all("is_success" not in info for info in sb3_envs.step(np.array([0, 0]))[3])
    assert [info["is_success"] for info in sb3_envs.step(np.array([0, 0]))[3]] == [False, False]
