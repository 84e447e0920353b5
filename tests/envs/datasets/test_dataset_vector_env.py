import numpy as np
import pytest
import torch

from kit.data.demonstrations import arm, played
from senseweave.envs.datasets import DatasetError, Episodes
from senseweave.envs.datasets.vector_env import DatasetVectorEnv
from senseweave.perception.errors import ConfigError


def walk(env, steps):
    """What is shown, done and earned in so many steps."""
    seen = []
    for _ in range(steps):
        shown, done = env.observe(), env.expert_actions()
        _, reward, terminated, truncated, infos = env.step(None)
        seen.append([*shown.values(), done, reward, terminated, truncated, *infos.values()])
    return seen


def assert_equal(one, other):
    for first, second in zip(one, other, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_each_row_plays_whole_episodes_and_all_of_them_before_any_comes_again():
    episodes = played(episodes=5)
    env = DatasetVectorEnv(episodes, 2, seed=1)
    observation, _ = env.reset(seed=1)
    found, rows = [], [[], []]
    while len(found) < 10:
        done = env.expert_actions()
        for row in range(2):
            rows[row].append((observation["grid"][row].numpy().tobytes(), int(done[row])))
        observation, reward, terminated, truncated, infos = env.step(torch.zeros(2))
        for row in torch.nonzero(terminated | truncated)[:, 0].tolist():
            assert bool(infos["is_success"][row]) and reward[row] > 0
            found.append(tuple(rows[row]))
            rows[row] = []
    known = [
        tuple((each.observations["grid"][step].tobytes(), int(each.actions[step])) for step in range(len(each)))
        for each in episodes
    ]
    assert set(found) <= set(known) and set(found[:7]) == set(known) and env.played >= 10


def test_a_state_that_is_put_back_goes_on_with_the_same_bits():
    env = DatasetVectorEnv(played(episodes=5), 3, seed=4, modality_dropout=0.4)
    walk(env, 17)
    state = env.get_state()
    then = walk(env, 30)
    other = DatasetVectorEnv(played(episodes=5), 3, modality_dropout=0.4)
    other.set_state(state)
    assert_equal(then, walk(other, 30))
    with pytest.raises(ConfigError, match="not one of this dataset"):
        DatasetVectorEnv(played(episodes=5), 2).set_state(state)


def test_a_sense_is_missing_for_whole_episodes_as_often_as_asked():
    env = DatasetVectorEnv(played(episodes=5), 64, modality_dropout=0.25)
    first = env.observe()["present"].numpy()
    shares = []
    for _ in range(40):
        observation, _, terminated, truncated, _ = env.step(None)
        now, over = observation["present"].numpy(), (terminated | truncated).numpy()
        assert (now[~over] == first[~over]).all()
        first = now
        shares.append(now.mean(axis=0))
    assert np.abs(np.mean(shares, axis=0) - 0.75).max() < 0.06


def test_continuous_actions_and_unknown_rewards_are_played_too():
    episodes = arm(2)
    env = DatasetVectorEnv(episodes, 1)
    assert env.expert_actions().dtype == torch.float32 and env.expert_actions().shape == (1, 2)
    assert env.has_rewards and env.single_action_space == episodes.action_space
    unknown = Episodes.of(episodes.facts, [episodes[0]])
    unknown[0].rewards[:] = np.nan
    blind = DatasetVectorEnv(unknown, 1)
    assert not blind.has_rewards and float(blind.step(None)[1]) == 0.0


def test_who_never_acted_cannot_be_imitated():
    import dataclasses

    episodes = arm(1)
    with pytest.raises(DatasetError, match="holds no actions"):
        DatasetVectorEnv(Episodes.of(dataclasses.replace(episodes.facts, action_space=None), [episodes[0]]), 1)
