"""One room: Gymnasium's own checks, what `info` holds, ids and options, and vector environments made of it."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import senseweave.envs as envs
from senseweave.envs.rooms.codes import DONE
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.envs.rooms.registration import rooms_id
from senseweave.envs.rooms.render.renderer import symbols_in_colour
from senseweave.envs.rooms.vector_env import RoomsVectorEnv


@pytest.mark.parametrize("level", LEVELS)
def test_gymnasium_finds_nothing_to_say_against_any_level(level: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(f"senseweave.envs:{rooms_id(level)}", render_mode="rgb_array").unwrapped)


def test_every_level_has_its_id_and_no_other_is_registered() -> None:
    ours = {env_id for env_id in gym.registry if env_id.startswith("senseweave/")}
    assert ours >= {rooms_id(level) for level in LEVELS}


def test_the_listing_tells_the_senses_that_the_environments_have() -> None:
    listed = {entry.id: entry.senses for entry in envs.known()}
    for level in LEVELS:
        assert listed[rooms_id(level)] == envs.make(rooms_id(level)).get_wrapper_attr("senses").names


def test_the_package_makes_a_room_from_its_id_and_options() -> None:
    env = envs.make("senseweave/GoToLocal-v0", senses=("grid", "instruction"), compass=True)
    assert env.get_wrapper_attr("senses").names == ("compass", "grid", "instruction")
    assert env.get_wrapper_attr("action_names")[2] == "forward"
    assert env.get_wrapper_attr("step_s") == 0.1
    assert env.observation_space == env.get_wrapper_attr("senses").space()


def test_a_single_room_is_environment_0_of_a_batch_with_that_seed() -> None:
    batch = RoomsVectorEnv("Seek", 3, "cpu")
    single = RoomsEnv("Seek")
    expected, found = batch.reset(seed=9)[0], single.reset(seed=9)[0]
    for _ in range(20):
        assert all((expected[name][0].numpy() == found[name]).all() for name in found)
        action = single.expert_action()
        assert action == int(batch.expert_actions()[0])
        expected = batch.step(np.full(3, action))[0]
        found, _, terminated, truncated, _ = single.step(action)
        if terminated or truncated:
            found, _ = single.reset()


def test_info_holds_the_instruction_always_and_success_at_the_end() -> None:
    env = RoomsEnv("GoToLocal", senses=("grid", "instruction"))
    for seed in range(5):
        _, info = env.reset(seed=seed)
        text = info["instruction_text"]
        assert text.startswith("go to") and info["instruction_was_truncated"] is False and "is_success" not in info
        is_over = False
        while not is_over:
            _, reward, terminated, truncated, info = env.step(env.expert_action())
            is_over = terminated or truncated
            assert info["instruction_text"] == text
            assert info.get("is_success") is ((reward > 0) if is_over else None)
        assert info["is_success"] is True


def test_a_reset_without_a_seed_goes_on_and_a_seed_begins_anew() -> None:
    env = RoomsEnv("Seek", senses=("grid",))
    first = env.reset(seed=1)[0]["grid"]
    second = env.reset()[0]["grid"]
    third = env.reset()[0]["grid"]
    assert env.simulation.state.episode.item() == 2
    again = [env.reset(seed=1)[0]["grid"], env.reset()[0]["grid"], env.reset()[0]["grid"]]
    assert all((a == b).all() for a, b in zip((first, second, third), again, strict=True))


def test_observations_are_kept_as_they_were() -> None:
    env = RoomsEnv("Seek", senses=("audio", "camera", "grid", "instruction"), compass=True)
    observation, _ = env.reset(seed=0)
    for _ in range(5):
        before = {name: array.copy() for name, array in observation.items()}
        following, *_ = env.step(1)
        assert all((observation[name] == before[name]).all() for name in before)
        assert not any(np.shares_memory(observation[name], following[name]) for name in before)
        observation = following


def test_a_spoken_instruction_is_heard_and_not_read() -> None:
    spoken, written = RoomsEnv("SeekSpoken"), RoomsEnv("SeekSpoken", spoken=False)
    assert spoken.senses.names == ("audio", "camera") and "instruction" in written.senses.names
    heard, info = spoken.reset(seed=0)
    room, other_info = written.reset(seed=0)
    assert info["instruction_text"] == other_info["instruction_text"]
    assert np.abs(heard["audio"] - room["audio"]).max() > 0.01
    assert RoomsEnv("GoToObj", spoken=True).senses.names == ("audio", "camera")


def test_a_room_is_drawn_with_what_the_agent_senses() -> None:
    env = RoomsEnv("Seek", render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    env.step(1)
    second = env.render()
    assert first is not None and second is not None
    assert first.dtype == np.uint8 and first.shape == second.shape and first.shape[2] == 3
    assert min(first.shape[:2]) >= 200 and (first != second).any()
    assert RoomsEnv("Seek").render() is None


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_vector_environments_take_it_too(mode: Any) -> None:
    options = {"senses": ("camera", "instruction"), "outages": {"instruction": 1.0}, "camera_size": 16}
    made = gym.make_vec("senseweave/Seek-v0", num_envs=2, vectorization_mode=mode, **options)
    single = RoomsEnv("Seek", **options)
    observation, infos = made.reset(seed=3)
    for row in range(2):
        expected, info = single.reset(seed=3 + row)
        assert all((observation[name][row] == expected[name]).all() for name in expected)
        assert infos["instruction_text"][row] == info["instruction_text"]
    observation, *_ = made.step(np.array([2, 2]))
    assert observation["present"].tolist() == [[1, 0], [1, 0]] and not observation["instruction"].any()
    made.close()


def test_closing_twice_is_allowed() -> None:
    env = RoomsEnv("Seek", senses=("grid",))
    env.close()
    env.close()


def test_a_picture_shows_the_sound_of_the_present_episode_alone() -> None:
    env = RoomsEnv("Seek", render_mode="rgb_array", senses=("audio",))
    env.reset(seed=0)
    first = env.render()
    for _ in range(4):
        env.step(1)
    assert (env.render() != first).any()
    env.reset(seed=0)
    assert (env.render() == first).all()


def test_an_agent_without_a_camera_is_drawn_with_its_symbolic_view() -> None:
    view = np.zeros((7, 7, 3), np.uint8)
    view[2, 5] = (6, 2, 0)  # a blue ball in column 2, row 5
    view[6, 0] = (4, 1, 1)  # a green door at the far right
    picture = symbols_in_colour(view)
    for height, size in ((1, 4), (2, 36)):  # short, tall
        view[2, 5, 2] = height
        assert (symbols_in_colour(view) == (0, 0, 255)).all(axis=2).sum() == size
    assert picture.shape == (56, 56, 3)
    assert picture[44, 20].tolist() == [0, 0, 255] and picture[0:8, 48:].reshape(-1, 3).tolist() == [[0, 255, 0]] * 64
    assert picture.any(axis=2).sum() == 2 * 64
    pictures = []
    for senses in (("grid",), ("instruction",)):
        env = RoomsEnv("Seek", render_mode="rgb_array", senses=senses)
        env.reset(seed=0)
        pictures.append(env.render())
    assert (pictures[0] != pictures[1]).any()


def test_what_a_batch_draws_with_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = RoomsVectorEnv("Seek", 2, "cpu", render_mode="rgb_array")
    batch.reset(seed=0)
    monkeypatch.delattr("senseweave.envs.rooms.vector_env.RoomRenderer")
    single = RoomsEnv("Seek", render_mode="rgb_array")
    single.reset(seed=0)
    pictures = batch.render()
    assert pictures is not None and len(pictures) == 2
    assert (pictures[0] == single.render()).all()
    assert RoomsVectorEnv("Seek", 1, "cpu").render() is None


def test_the_expert_listens_until_the_instruction_has_been_said_and_then_goes() -> None:
    env = RoomsVectorEnv("SeekSpoken", num_envs=32, device="cpu")
    env.reset(seed=0)
    speech = env.simulation.senses.speech
    assert speech is not None
    spoken = speech.steps[env.state.mission, env.state.voice]
    moved = torch.full((32,), -1)
    rewards = torch.zeros(32)
    for step in range(int(spoken.max()) + 30):
        actions = env.expert_actions()
        moved = torch.where((moved < 0) & (actions != DONE), step, moved)
        _, reward, terminated, truncated, _ = env.step(actions)
        rewards = torch.where(rewards == 0, reward, rewards)
        assert not (truncated & (rewards == 0)).any()
        if (rewards > 0).all():
            break
    assert (rewards > 0).all()
    assert torch.equal(moved, spoken - 1), "the last word is heard in the observation before the first move"
