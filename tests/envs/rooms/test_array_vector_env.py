"""The numpy face of a batch of rooms is Gymnasium's own vector environment, to the letter."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers
from stable_baselines3.common.vec_env import VecEnv

import senseweave.envs
from senseweave.envs.rooms.array_vector_env import RoomsArrayVectorEnv
from senseweave.envs.rooms.vector_env import Instructions, RoomsVectorEnv
from senseweave.perception.errors import ConfigError, UnknownOptionError
from senseweave.policies import PPO

ID = "senseweave/GoToObj-v0"
OPTIONS = {"senses": ("grid", "instruction"), "max_steps": 5}


def batch(**options):
    return gymnasium.make_vec(ID, num_envs=3, device="cpu", arrays=True, **OPTIONS | options)


def sync(**options):
    how = {"autoreset_mode": AutoresetMode.SAME_STEP}
    return gymnasium.make_vec(ID, 3, vectorization_mode="sync", vector_kwargs=how, **OPTIONS | options)


def require_same(one, other, where=""):
    """Equal in type, shape, dtype and content."""
    assert isinstance(other, type(one)), where
    if isinstance(one, (dict, tuple, list)):
        names = one if isinstance(one, dict) else range(len(one))
        assert len(one) == len(other)
        for name in names:
            require_same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, np.ndarray):
        assert (one.shape, one.dtype) == (other.shape, other.dtype), where
        if one.dtype != object:
            assert np.array_equal(one, other), where
        else:
            for row, its_row in zip(one, other, strict=True):
                require_same(row, its_row, f"{where}[]")
    else:
        assert one == other, where


def test_everything_is_what_a_sync_vector_env_of_single_rooms_gives():
    theirs, ours, draws = sync(), batch(), np.random.default_rng(0)
    resets = {0: {"seed": 5}, 40: {}, 60: {"seed": [3, None, 9]}, 80: {"seed": 2}}
    ends = 0
    for step in range(100):
        if step in resets:
            require_same(theirs.reset(**resets[step]), ours.reset(**resets[step]), f"reset {step}")
        actions = draws.integers(0, 7, 3)
        expected = theirs.step(actions)
        ends += "final_obs" in expected[4]
        require_same(expected, ours.step(actions), f"step {step}")
    assert ends > 10
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == ours.autoreset_mode == theirs.metadata["autoreset_mode"]
    assert "torch" not in ours.metadata and "torch" in RoomsVectorEnv.metadata


def test_senses_without_an_instruction_have_texts_too():
    theirs, ours = sync(senses=("grid",)), batch(senses=("grid",))
    require_same(theirs.reset(seed=1), ours.reset(seed=1))
    require_same(theirs.step(np.zeros(3, int)), ours.step(np.zeros(3, int)))


WRAPS = {
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "DictInfoToList": lambda env: wrappers.DictInfoToList(wrappers.RecordEpisodeStatistics(env)),
    "NormalizeReward": wrappers.NormalizeReward,
    "ClipReward": lambda env: wrappers.ClipReward(env, 0, 1),
    "TransformAction": lambda env: wrappers.TransformAction(env, lambda actions: actions % 3),
    "all": lambda env: wrappers.NormalizeReward(wrappers.RecordEpisodeStatistics(env)),
}


@pytest.mark.parametrize("name", WRAPS)
def test_gymnasiums_wrappers_give_what_they_give_around_a_sync_vector_env(name):
    theirs, ours = WRAPS[name](sync()), WRAPS[name](batch())
    require_same(theirs.reset(seed=2), ours.reset(seed=2))
    for step in range(12):
        actions = np.arange(step, step + 3) % 3
        expected, given = theirs.step(actions), ours.step(actions)
        for infos in (expected[4], given[4]):
            for info in infos if isinstance(infos, list) else [infos]:
                info.get("episode", {}).pop("t", None)  # of the clock
        require_same(expected, given)


@pytest.fixture
def conversion():
    pytest.importorskip("array_api_compat")


@pytest.mark.usefixtures("conversion")
@pytest.mark.parametrize(
    "wrap",
    [lambda env: wrappers.NumpyToTorch(env), lambda env: wrappers.ArrayConversion(env, env_xp=np, target_xp=torch)],
)
def test_arrays_become_tensors_and_texts_stay_texts(wrap):
    plain, env = batch(), wrap(wrappers.RecordEpisodeStatistics(batch()))
    plain.reset(seed=0)
    observation, infos = env.reset(seed=0)
    assert all(isinstance(part, torch.Tensor) for part in observation.values())
    for _ in range(6):
        expected = plain.step(np.ones(3, int))
        _, reward, _, _, infos = env.step(torch.ones(3, dtype=torch.int64))
        assert isinstance(reward, torch.Tensor) and list(infos["instruction_text"]) == list(
            expected[4]["instruction_text"]
        )
    for _ in range(6):
        *_, infos = env.step(torch.full((3,), 2))
        if "final_obs" in infos:
            row = int(infos["_final_obs"].nonzero()[0])
            assert isinstance(infos["final_obs"][row]["grid"], torch.Tensor)
            assert infos["final_info"]["instruction_text"][row].startswith("go to")


@pytest.mark.usefixtures("conversion")
def test_the_batch_of_tensors_is_converted_with_its_texts():
    env = gymnasium.make_vec(ID, num_envs=3, device="cpu", **OPTIONS)
    converted = wrappers.NormalizeReward(wrappers.ArrayConversion(env, env_xp=torch, target_xp=np))
    _, infos = converted.reset(seed=0)
    for _ in range(12):
        observation, reward, _, _, infos = converted.step(np.ones(3, int))
        assert isinstance(reward, np.ndarray) and isinstance(observation["grid"], np.ndarray)
        assert list(infos["instruction_text"]) == env.instruction_texts()


def test_texts_can_be_rebuilt_of_any_texts():
    env = gymnasium.make_vec(ID, num_envs=3, device="cpu", **OPTIONS)
    texts = env.reset(seed=0)[1]["instruction_text"]
    again = type(texts)(text for text in texts)
    assert again == texts == list(texts) == env.instruction_texts() and len(again) == 3 and again[1:] == texts[1:]
    assert repr(Instructions(("go",))) == "['go']" and Instructions(["a"]) != Instructions(["b"])


def test_texts_can_be_left_out():
    env = batch(texts=False)
    _, infos = env.reset(seed=0)
    for _ in range(6):
        names = {*infos, *infos.get("final_info", {})}
        assert not any("text" in name for name in names)
        *_, infos = env.step(np.full(3, 2))


@pytest.mark.parametrize("made", [gymnasium.make, gymnasium.make_vec])
def test_an_unknown_option_is_a_type_error_in_pythons_words_and_one_sentence_of_ours(made):
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'") as failure:
        made(ID, frameskip=1)
    assert isinstance(failure.value, (ConfigError, UnknownOptionError)) and "raised from" not in str(failure.value)
    with pytest.raises(TypeError, match='"GoToObj" does not take the option "siez"'):
        senseweave.envs.make(ID, siez=1)


def test_a_seed_seeds_the_random_numbers_of_the_batch_as_well():
    for env in (batch(), gymnasium.make_vec(ID, num_envs=3, device="cpu", **OPTIONS)):
        env.reset(seed=7)
        first = env.np_random.random()
        env.reset(seed=7)
        assert env.np_random.random() == first and env.np_random_seed == 7


def test_the_batch_of_tensors_takes_none_for_some_seeds_too():
    env = gymnasium.make_vec(ID, num_envs=3, device="cpu", **OPTIONS)
    env.reset(seed=[4, None, 6])
    assert env.state.seed[[0, 2]].tolist() == [4, 6]
    env.reset(seed=[8, None, None])
    assert env.state.episode.tolist() == [0, 1, 1] and env.state.seed[[0, 2]].tolist() == [8, 6]


def test_the_on_device_ppo_and_sb3s_view_take_it_as_any_vector_environment():
    model = PPO("MultiInputPolicy", batch(), n_steps=8, batch_size=8, n_epochs=1, device="cpu")
    model.learn(48)
    assert isinstance(model.env, VecEnv) and len(model.ep_info_buffer) >= 6 and len(model.ep_success_buffer) >= 6


def test_a_batch_that_is_there_can_be_taken_and_options_go_with_a_new_one():
    env = RoomsVectorEnv("GoToObj", 2, "cpu", **OPTIONS)
    ours = RoomsArrayVectorEnv(env)
    ours.reset(seed=1)
    assert (ours.expert_actions() == env.expert_actions().numpy()).all() and ours.spec == env.spec
    ours.close()
    with pytest.raises(ConfigError, match="Options go with a new batch"):
        RoomsArrayVectorEnv(env, num_envs=3)
    with pytest.raises(ConfigError, match="`arrays` must be true or false; got 1"):
        gymnasium.make_vec(ID, arrays=1)


def test_torchrl_takes_single_rooms_by_their_id_and_batches_of_arrays():
    envs = pytest.importorskip("torchrl.envs")
    envs.check_env_specs(envs.GymEnv(ID, **OPTIONS))
    made = envs.GymWrapper(batch(texts=False))
    envs.check_env_specs(made)
    assert made.rollout(12, break_when_any_done=False).batch_size == (3, 12)
