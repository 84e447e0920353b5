"""The view for stable-baselines3: SB3's own DummyVecEnv over single rooms says what it has to give."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from kit.rooms.lives import actions
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.config import PerceptionConfig
from senseweave.perception.errors import ConfigError
from senseweave.policies import ppo_settings

ROWS = torch.arange(4)


def view(**options: Any) -> RoomsSB3VecEnv:
    return RoomsSB3VecEnv(**{"level": "Seek", "num_envs": 4, "device": "cpu", "max_steps": 7} | options)


def test_it_gives_what_sb3s_own_vector_environment_of_single_rooms_gives() -> None:
    options = {"outages": 0.2, "outage_steps": 2, "max_steps": 7}
    ours = view(**options)
    theirs = DummyVecEnv([lambda: RoomsEnv("Seek", **options)] * 4)
    ours.seed(5)
    theirs.seed(5)
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    found, expected = ours.reset(), theirs.reset()
    ends = 0
    for step in range(40):
        assert all(
            (found[name] == expected[name]).all() and found[name].dtype == expected[name].dtype for name in expected
        )
        chosen = actions(ROWS, step).numpy()
        found, reward, is_over, infos = ours.step(chosen)
        expected, its_reward, its_end, its_infos = theirs.step(chosen)
        assert (reward == its_reward).all() and (is_over == its_end).all()
        assert reward.dtype == its_reward.dtype and is_over.dtype == its_end.dtype
        for row, (info, its_info) in enumerate(zip(infos, its_infos, strict=True)):
            assert info["instruction_text"] == its_info["instruction_text"]
            assert info.get("TimeLimit.truncated", False) == its_info["TimeLimit.truncated"]
            assert info.get("is_success") is its_info.get("is_success")
            if is_over[row]:
                ends += 1
                last, its_last = info["terminal_observation"], its_info["terminal_observation"]
                assert all((last[name] == its_last[name]).all() for name in its_last)
                assert ours.reset_infos[row]["instruction_text"] == theirs.reset_infos[row]["instruction_text"]
    assert ends > 8


def test_a_known_mask_arrives_in_alphabetical_order_with_its_content() -> None:
    env = view(outages={"audio": 1.0, "instruction": 1.0})
    observations = [env.reset(), *(env.step(np.zeros(4, np.int64))[0] for _ in range(9))]
    for batch in observations:
        assert batch["present"].tolist() == [[0, 1, 0]] * 4
        assert not batch["audio"].any() and not batch["instruction"].any()
        assert batch["camera"].reshape(4, -1).any(axis=1).all()


def test_every_info_is_a_dictionary_of_its_own() -> None:
    env = view()
    env.reset()
    kept = [info for _ in range(3) for info in env.step(np.zeros(4, np.int64))[3]]
    assert len({id(info) for info in kept}) == len(kept)


def test_arrays_that_were_returned_stay_as_they_were() -> None:
    env = view()
    observation = env.reset()
    before = {name: array.copy() for name, array in observation.items()}
    for _ in range(9):
        env.step(np.full(4, 2))
    assert all((observation[name] == before[name]).all() for name in before)


def test_seeds_count_for_one_reset_and_then_lives_go_on() -> None:
    env = view(senses=("grid",))
    assert list(env.seed(3)) == [3, 4, 5, 6]
    first = env.reset()["grid"]
    second = env.reset()["grid"]
    env.seed(3)
    assert (env.reset()["grid"] == first).all() and (env.reset()["grid"] == second).all()
    assert (first != second).any()


def test_attributes_and_methods_of_the_batch_are_reached() -> None:
    env = view(senses=("grid", "instruction"))
    assert env.get_attr("senses") == [env.env.senses] * 4
    assert env.get_attr("step_s", indices=[0, 2]) == [0.1, 0.1]
    assert env.has_attr("action_names") and not env.has_attr("no_such_thing")
    env.reset()
    assert env.env_method("instruction_texts", indices=0) == [env.env.instruction_texts()]
    assert env.env_is_wrapped(Monitor) == [False] * 4
    env.set_attr("note", 1)
    assert env.get_attr("note") == [1] * 4
    assert env.render_mode is None and env.get_images() == [None] * 4
    env.close()


def test_a_batch_that_exists_is_wrapped_and_then_takes_no_options() -> None:
    batch = RoomsVectorEnv("Seek", 2, "cpu", senses=("grid",))
    assert RoomsSB3VecEnv(batch).env is batch
    with pytest.raises(ConfigError, match="got level beside it"):
        RoomsSB3VecEnv(batch, level="Seek")


def test_pictures_of_all_rooms_are_tiled() -> None:
    env = view(render_mode="rgb_array")
    env.reset()
    picture = env.render()
    assert picture is not None and picture.dtype == np.uint8 and picture.shape[2] == 3


def test_ppo_learns_some_rollouts_and_counts_successes() -> None:
    env = VecMonitor(view(num_envs=8, size="small", outages=0.1, camera_size=16, max_steps=16))
    small = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
    settings = ppo_settings(env.get_attr("senses")[0], small) | {"n_steps": 16, "batch_size": 64, "n_epochs": 1}
    model = PPO("MultiInputPolicy", env, **settings, seed=0, device="cpu")
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(3 * 8 * 16)
    assert model.num_timesteps == 3 * 8 * 16
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
    assert model.ep_success_buffer is not None and len(model.ep_success_buffer) > 5
    assert model.ep_info_buffer is not None and len(model.ep_info_buffer) == len(model.ep_success_buffer)
    assert np.isfinite(evaluate_policy(model, env, n_eval_episodes=4)[0])


def test_the_space_is_that_of_one_room() -> None:
    assert isinstance(view().observation_space, gym.spaces.Dict)
    assert view().observation_space == view().env.single_observation_space
