"""The environments that stand for somebody's own, and the quick run of the benchmark that learns in them."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from kit.benchmarks import script, written_columns
from senseweave.agent.settings.train import TrainConfig
from senseweave.envs import make


@pytest.fixture
def own_worlds(monkeypatch):
    return script(monkeypatch, "parts.own_worlds")


def straight(env):
    """A push towards the disc that is meant."""
    way = env._discs[env._meant] - env._place
    return way / np.abs(way).max()


def test_who_goes_straight_to_the_disc_that_is_named_mostly_reaches_it(own_worlds):
    env, ends = own_worlds.Reach(), []
    for seed in range(100):
        seen, _ = env.reset(seed=seed)
        assert seen["text"] == own_worlds.MISSIONS[env._colours[env._meant]]
        is_over = False
        while not is_over:
            before = float(np.linalg.norm(env._discs[env._meant] - env._place))
            seen, reward, terminated, truncated, info = env.step(straight(env))
            is_over = terminated or truncated
            after = float(np.linalg.norm(env._discs[env._meant] - env._place))
            assert reward == pytest.approx(info["success"] - 0.1 * after) and (info["success"] or after < before)
        ends.append(info["success"])
    assert 0.8 < np.mean(ends) < 1.0  # another disc stands in the way of some


def test_another_disc_ends_the_episode_without_the_reward(own_worlds):
    env = own_worlds.Reach()
    env.reset(seed=0)
    other = (env._meant + 1) % own_worlds.DISCS
    env._place = env._discs[other].copy()
    _, reward, terminated, _, info = env.step(np.zeros(2, np.float32))
    assert terminated and not info["success"] and reward < 0


def test_the_picture_shows_each_disc_in_its_colour_where_it_is(own_worlds):
    env = own_worlds.Reach()
    seen, _ = env.reset(seed=3)
    for disc, colour in zip(env._discs, env._colours, strict=True):
        column, row = ((disc + 1) * own_worlds.SIDE_PX / 2).astype(int)
        assert tuple(seen["picture"][row, column]) == tuple(own_worlds.COLOURS.values())[colour]


@pytest.mark.parametrize("name", ["reach", "reach, 5 moves", "fetch"])
def test_they_are_plain_environments_that_adapt_reads(own_worlds, name):
    world = own_worlds.WORLDS[name]
    check_env(gymnasium.make(world.id.partition(":")[2]).unwrapped, skip_render_check=True)
    env = make(world.id)
    _, info = env.reset(seed=0)
    assert {"camera", "instruction"} <= set(env.get_wrapper_attr("senses"))
    assert info["instruction_text"] in world.missions
    assert env.step(env.action_space.sample())[4]["is_success"] in (True, False)


def test_each_of_them_gets_the_recipe_own(own_worlds):
    assert {TrainConfig.of_recipe({"env": world.id}).recipe for world in own_worlds.WORLDS.values()} == {"own"}


def test_a_row_is_kept_for_the_settings_that_it_was_trained_with(monkeypatch, tmp_path, capsys):
    benchmark = script(monkeypatch, "own_environments")
    words = ["cart-pole", "--quick", "--only", "senseweave", "--out", str(tmp_path)]
    assert benchmark.main(words) == 0
    assert benchmark.main(words) == 0
    assert capsys.readouterr().err.count("is finished already") == 1
    assert benchmark.main([*words, "--set", "ppo.gamma=.5"]) == 0
    assert "is finished already" not in capsys.readouterr().err


@pytest.mark.slow
def test_the_quick_run_trains_both_in_all_of_them(monkeypatch, tmp_path, capsys):
    benchmark = script(monkeypatch, "own_environments")
    assert benchmark.main(["--quick", "--json", "--out", str(tmp_path / "out"), "--rows", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert len(rows) == 2 * len(script(monkeypatch, "parts.own_worlds").WORLDS)
    assert all(row["steps"] == 512 for (row,) in rows.values())
    figures = {f"{what}, {how}" for what in ("success", "return") for how in ("sampled", "greedy")}
    assert written_columns(tmp_path, "own-environments") == figures | {"seconds", "CPU seconds"}
