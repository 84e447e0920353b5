"""The batch as a Gymnasium vector environment: what a step returns, autoreset, infos, memory, resuming."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

import senseweave.envs  # noqa: F401  registers the ids
from kit.rooms.lives import actions, level_senses
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.state import RoomsState
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.spec import Camera, Grid, Instruction, Microphone, Spec, Vector

ROWS = torch.arange(6)


def batch(**options: Any) -> RoomsVectorEnv:
    return RoomsVectorEnv(**{"level": "Seek", "num_envs": 6, "device": "cpu", "max_steps": 9} | options)


def storages(found: Any) -> set[int]:
    if isinstance(found, torch.Tensor):
        return {found.untyped_storage().data_ptr()} if found.numel() else set()
    return set().union(*(storages(value) for value in found.values())) if isinstance(found, dict) else set()


def test_observations_are_tensors_as_the_senses_describe_them() -> None:
    env = batch(senses=("camera", "audio", "instruction", "grid"), compass=True)
    assert env.senses == Spec(
        audio=Microphone(2, 1600, 16000),
        camera=Camera(64, 64),
        compass=Vector(4),
        grid=Grid(7, 7, (11, 6, 3)),
        instruction=Instruction(48, 1024),
    )
    observation, _ = env.reset(seed=0)
    for step in range(12):
        arrays = {name: tensor.numpy() for name, tensor in observation.items()}
        for row in range(6):
            assert env.single_observation_space.contains({name: array[row] for name, array in arrays.items()})
        assert env.observation_space.contains(arrays)
        observation, reward, terminated, truncated, _ = env.step(actions(ROWS, step))
        assert (reward.dtype, terminated.dtype, truncated.dtype) == (torch.float32, torch.bool, torch.bool)
        assert reward.shape == terminated.shape == truncated.shape == (6,)


def test_the_default_senses_are_camera_audio_and_instruction() -> None:
    assert batch().senses.names == ("audio", "camera", "instruction")
    assert batch(senses="grid, instruction").senses.names == ("grid", "instruction")
    assert batch(camera_size=(32, 48)).senses["camera"] == Camera(32, 48)


def test_what_an_agent_needs_to_know_stands_at_the_environment() -> None:
    env = batch()
    assert env.action_names == ("left", "right", "forward", "pickup", "drop", "toggle", "done")
    assert env.single_action_space == gym.spaces.Discrete(7)
    assert env.action_space == gym.spaces.MultiDiscrete([7] * 6)
    assert env.step_s == 0.1
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_the_compass_tells_the_heading() -> None:
    env = batch(senses=("compass",))
    observation, _ = env.reset(seed=0)
    assert (observation["compass"].argmax(1) == env.state.heading).all() and (observation["compass"].sum(1) == 1).all()
    turned, *_ = env.step(torch.ones(6, dtype=torch.int64))
    assert (turned["compass"].argmax(1) == (observation["compass"].argmax(1) + 1) % 4).all()


def test_a_row_with_a_seed_of_its_own_lives_as_the_single_environment_does() -> None:
    """Through ends: the last observation of an episode is in `final_obs`, the first of the next one is returned."""
    options = {"senses": level_senses("Seek"), "outages": 0.2, "outage_steps": 3, "max_steps": 9}
    seeds = [4, 4, 11, 0, 2**40, 6]
    env = batch(**options)
    singles = [RoomsEnv("Seek", **options) for _ in seeds]
    observation, infos = env.reset(seed=seeds)
    expected = [single.reset(seed=seed) for single, seed in zip(singles, seeds, strict=True)]
    ends = 0
    for step in range(60):
        for row, (single, info) in enumerate(expected):
            for name, array in single.items():
                assert (observation[name][row].numpy() == array).all(), (step, row, name)
            assert infos["instruction_text"][row] == info["instruction_text"]
        chosen = actions(ROWS, step)
        observation, reward, terminated, truncated, infos = env.step(chosen)
        expected = [single.step(int(action)) for single, action in zip(singles, chosen, strict=True)]
        rows = infos["final_rows"].tolist() if "final_rows" in infos else []
        for row, (last, its_reward, its_end, its_cut, info) in enumerate(expected):
            assert (float(reward[row]), bool(terminated[row]), bool(truncated[row])) == (its_reward, its_end, its_cut)
            assert bool(infos["_is_success"][row]) == (its_end or its_cut) == (row in rows)
            if row in rows:
                ends += 1
                assert bool(infos["is_success"][row]) == info["is_success"]
                assert env.instructions[infos["final_mission"][rows.index(row)]] == info["instruction_text"]
                for name, array in last.items():
                    assert (infos["final_obs"][name][rows.index(row)].numpy() == array).all(), (step, row, name)
                expected[row] = singles[row].reset()
            else:
                expected[row] = (last, info)
    assert ends > 12


def test_success_is_told_at_the_last_step_alone() -> None:
    env = batch(num_envs=64, max_steps=40, senses=("grid",))
    env.reset(seed=0)
    outcomes = set()
    for _ in range(60):
        _, reward, terminated, truncated, infos = env.step(env.expert_actions())
        is_over = terminated | truncated
        assert (infos["_is_success"] == is_over).all() and (infos["_episode"] == is_over).all()
        assert (infos["is_success"] == (terminated & (reward > 0))).all()
        outcomes |= set(zip(is_over.tolist(), infos["is_success"].tolist(), strict=True))
    assert outcomes >= {(False, False), (True, True)} and (False, True) not in outcomes


def test_wrong_candidates_end_an_episode_without_success() -> None:
    env = batch(num_envs=64, max_steps=200, senses=("grid",))
    env.reset(seed=0)
    seen = set()
    for step in range(60):
        _, _, terminated, _, infos = env.step(actions(torch.arange(64), step))
        seen |= set(infos["is_success"][terminated].tolist())
    assert seen == {True, False}


def test_infos_count_the_steps_and_rewards_of_episodes() -> None:
    env = batch(max_steps=5)
    env.reset(seed=0)
    lengths = torch.zeros(6, dtype=torch.int64)
    for step in range(40):
        _, reward, _, _, infos = env.step(actions(ROWS, step))
        lengths += 1
        is_over = infos["_episode"]
        assert (infos["episode"]["l"][is_over] == lengths[is_over]).all()
        assert (infos["episode"]["r"][is_over] == reward[is_over]).all()
        assert (lengths <= 5).all() and ("final_obs" in infos) == bool(is_over.any())
        lengths[is_over] = 0


def test_instructions_read_like_a_list_and_are_those_of_the_missions() -> None:
    env = batch()
    _, infos = env.reset(seed=0)
    expected = [env.instructions[row] for row in env.state.mission.tolist()]
    assert list(infos["instruction_text"]) == env.instruction_texts() == expected
    assert infos["instruction_text"][1:3] == expected[1:3] and len(infos["instruction_text"]) == 6
    for step in range(9):
        env.step(actions(ROWS, step))
    assert list(infos["instruction_text"]) == expected  # those of then, not of now


def test_nothing_that_is_returned_shares_memory() -> None:
    env = batch(senses=level_senses("Seek"), max_steps=3, outages=0.2)
    observation, infos = env.reset(seed=0)
    earlier = {name: tensor.clone() for name, tensor in observation.items()}
    seen = [(storages(observation), observation), (storages(infos), infos)]
    for step in range(8):
        fresh, reward, _, _, infos = env.step(actions(ROWS, step))
        tensors = [*fresh.values(), reward, *infos.get("final_obs", {}).values()]
        new = set().union(*map(storages, tensors))
        assert len(new) == len(tensors)  # not with each other
        assert all(new.isdisjoint(old) for old, _ in seen)  # not with what was returned before, which is kept
        assert new.isdisjoint(storages({name: getattr(env.state, name) for name in RoomsState.names()}))
        seen.append((new, (fresh, reward, infos)))
    assert all(torch.equal(observation[name], earlier[name]) for name in earlier)


def test_scribbling_on_what_was_returned_changes_nothing() -> None:
    clean, scribbled = batch(senses=level_senses("Seek")), batch(senses=level_senses("Seek"))
    expected, found = clean.reset(seed=0), scribbled.reset(seed=0)
    for step in range(20):
        assert all(torch.equal(expected[0][name], found[0][name]) for name in expected[0])
        for tensor in (*found[0].values(), found[-1]["mission"], *found[1:-1]):
            if isinstance(tensor, torch.Tensor):
                tensor.fill_(1)
        expected, found = clean.step(actions(ROWS, step)), scribbled.step(actions(ROWS, step))


def test_a_reset_without_a_seed_goes_on_with_the_next_episode_of_each_life() -> None:
    env, other = batch(senses=("grid",)), batch(senses=("grid",))
    env.reset(seed=5)
    for step in range(4):
        env.step(actions(ROWS, step))
    env.reset()
    other.reset(seed=5)
    first = other.state.clone()
    other.reset()
    assert torch.equal(env.state.cells, other.state.cells) and not torch.equal(env.state.cells, first.cells)
    assert (env.state.episode == 1).all() and (other.state.episode == 1).all()


def test_the_first_reset_without_a_seed_is_random() -> None:
    first, second = batch(senses=("grid",)), batch(senses=("grid",))
    first.reset()
    second.reset()
    assert not torch.equal(first.state.cells, second.state.cells)


def test_a_saved_state_goes_on_bit_by_bit_elsewhere() -> None:
    options = {"senses": level_senses("Seek"), "outages": 0.3, "outage_steps": 4}
    env = batch(**options)
    env.reset(seed=1)
    for step in range(13):
        env.step(actions(ROWS, step))
    saved = env.get_state()
    assert all(isinstance(tensor, torch.Tensor) and len(tensor) == 6 for tensor in saved.values())
    other = batch(**options)
    other.set_state(saved)
    assert all(torch.equal(other.observe()[name], tensor) for name, tensor in env.observe().items())
    for step in range(13, 40):
        expected, found = env.step(actions(ROWS, step)), other.step(actions(ROWS, step))
        assert all(torch.equal(expected[0][name], found[0][name]) for name in expected[0])
        assert all(torch.equal(a, b) for a, b in zip(expected[1:4], found[1:4], strict=True))
    other.set_state(saved)  # was not changed by going on from it
    assert torch.equal(other.state.step_count, saved["step_count"])


def test_actions_come_as_tensors_or_arrays_of_any_whole_type() -> None:
    rewards = []
    for kind in (torch.int64, torch.int32, torch.uint8, np.int64, np.int32, np.uint16, np.uint32, np.uint64):
        env = batch(senses=("grid",))
        env.reset(seed=0)
        for step in range(20):
            chosen = actions(ROWS, step)
            chosen = chosen.to(kind) if isinstance(kind, torch.dtype) else chosen.numpy().astype(kind)
            env.step(chosen)
        rewards.append(env.state.clone())
    assert all(torch.equal(state.cells, rewards[0].cells) for state in rewards)
    assert all(torch.equal(state.pose, rewards[0].pose) for state in rewards)


def test_gymnasium_makes_the_batch_from_its_id() -> None:
    env = gym.make_vec("senseweave/Seek-v0", num_envs=3, device="cpu", senses=("grid", "instruction"), max_steps=20)
    assert isinstance(env.unwrapped, RoomsVectorEnv) and env.spec is not None
    observation, _ = env.reset(seed=0)
    assert observation["grid"].shape == (3, 7, 7, 3)
    assert env.unwrapped.state.max_steps.tolist() == [20] * 3
    env.close()


def test_the_batch_space_costs_nothing_until_it_is_asked_for() -> None:
    env = RoomsVectorEnv("Seek", 4096, "cpu")
    assert "observation_space" not in vars(env)
